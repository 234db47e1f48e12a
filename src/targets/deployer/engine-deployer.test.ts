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
function makeWorld(check: (signal: AbortSignal) => Promise<void>, cannotWithdraw = false) {
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
  const apply = (signal = new AbortController().signal) =>
    deployer.apply(workload, { signal, onProgress: () => undefined });
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
  const { apply } = makeWorld(() => Promise.reject(open), true);
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
