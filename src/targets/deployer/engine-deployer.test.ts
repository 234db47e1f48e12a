import assert from "node:assert/strict";
import { test } from "node:test";
import { WaybillError } from "../../core/errors.ts";
import type { Engine, Program } from "../../engine/engine.ts";
import type { TreeSha } from "../../core/names.ts";
import { workloadOf } from "../../../test/support/workloads.ts";
import { makeEngineDeployer } from "./engine-deployer.ts";

const workload = workloadOf("kind: service\ncommand: node main.js\n", { source: "a".repeat(40) as TreeSha });
const whole: Program = () => Promise.resolve({});
const open = new WaybillError("ENTRANCE_OPEN", "it is open");

/** A deployer whose target checks by `check`, and what its engine was asked to apply. */
function makeWorld(
  check: (signal: AbortSignal) => Promise<void>,
  { cannotWithdraw = false, asksWithdrawn = false } = {},
) {
  const applied: string[] = [];
  const withdrawn = new Map<Program, string>();
  const up: Engine["up"] = async (_stack, program) => {
    const reason = withdrawn.get(program);
    applied.push(reason === undefined ? "whole" : `withdrawn: ${reason}`);
    if (reason !== undefined && cannotWithdraw) throw new WaybillError("CLUSTER_UNREACHABLE", "no answer");
    return { outputs: {}, changes: {} } as unknown as Awaited<ReturnType<Engine["up"]>>;
  };
  const deployer = makeEngineDeployer({
    engine: { up } as unknown as Engine,
    target: {
      program: () => whole,
      guard: () => ({
        check,
        asksWithdrawn,
        withdrawn(reason) {
          const program: Program = () => Promise.resolve({});
          withdrawn.set(program, reason);
          return program;
        },
      }),
      notices: () => [],
      status: () => null,
    },
    urlOf: (host) => `https://${host}.example.org`,
    inForce: async () => void applied.push("in force"),
  });
  const apply = (signal = new AbortController().signal, given = workload) =>
    deployer.apply(given, { signal, onProgress: () => undefined });
  return { apply, applied };
}

test("what is shown to be closed is deployed", async () => {
  const { apply, applied } = makeWorld(async () => void applied.push("asked"));
  assert.equal((await apply()).url, "https://web.example.org");
  // Who asks before the gateways have taken up the routes asks about those before.
  assert.deepEqual(applied, ["whole", "in force", "asked"]);
});

test("what is not is withdrawn, and the deploy has failed by what was found", async () => {
  const { apply, applied } = makeWorld(() => Promise.reject(open));
  await assert.rejects(apply(), open);
  assert.deepEqual(applied, ["whole", "in force", "withdrawn: it is open", "in force"]);
});

test("what could not be withdrawn is tried again, although what was found is final", async () => {
  const { apply } = makeWorld(() => Promise.reject(open), { cannotWithdraw: true });
  await assert.rejects(apply(), (error) => error instanceof WaybillError && error.verdict === "transient");
});

test("a check that is cancelled withdraws nothing: whoever cancelled it applies another one", async () => {
  const cancelling = new AbortController();
  const { apply, applied } = makeWorld((signal) => {
    cancelling.abort(new Error("a newer one"));
    return Promise.reject(signal.reason as Error);
  });
  await assert.rejects(apply(cancelling.signal), /a newer one/);
  assert.deepEqual(applied, ["whole", "in force"]);
});

/** A check that finds the entrance silent as often as it is told to. */
function silentFor(times: number) {
  let left = times;
  const silent = new WaybillError("ENTRANCE_SILENT", "nobody answers");
  const check = (): Promise<void> => (left-- > 0 ? Promise.reject(silent) : Promise.resolve());
  return { check, silent };
}
const once = ["whole", "in force", "withdrawn: nobody answers", "in force"];

test("what nobody has answered for is asked about before it is opened again", async () => {
  const { check, silent } = silentFor(3);
  const { apply, applied } = makeWorld(check, { asksWithdrawn: true });
  for (let tries = 0; tries < 3; tries += 1) await assert.rejects(apply(), silent);
  assert.deepEqual(applied, once);
  await apply();
  assert.deepEqual(applied.splice(0), [...once, "whole", "in force"]);
  await apply();
  assert.deepEqual(applied, ["whole", "in force"]);
});

test("another content may have addresses that nobody knows before it is applied", async () => {
  const { check, silent } = silentFor(2);
  const { apply, applied } = makeWorld(check, { asksWithdrawn: true });
  await assert.rejects(apply(), silent);
  const other = { ...workload, host: "other" };
  await assert.rejects(apply(new AbortController().signal, other), silent);
  assert.deepEqual(applied, [...once, ...once]);
});

test("an entrance that is told of an address only while it is open is asked anew", async () => {
  const { check, silent } = silentFor(2);
  const { apply, applied } = makeWorld(check);
  for (let tries = 0; tries < 2; tries += 1) await assert.rejects(apply(), silent);
  assert.deepEqual(applied, [...once, ...once]);
});
