import assert from "node:assert/strict";
import { test } from "node:test";
import { WaybillError } from "../core/errors.ts";
import { stackKey } from "../core/stack.ts";
import { makeFakeDeployer } from "../../test/support/fake-deployer.ts";
import { workloadOf } from "../../test/support/workloads.ts";
import { makeRolloutDeployer, type Rollouts } from "./rollout.ts";

const workload = (text: string) =>
  workloadOf(`kind: service\nname: ranker\ncommand: a\nenv: {TEXT: ${text}}\n`, { target: "cluster" });

/** Room as tests say, and what was asked of it in order. */
function makeFakeRollouts(begin: () => Promise<void> = async () => undefined) {
  const asked: string[] = [];
  const state = { isOut: false };
  const rollouts: Rollouts = {
    async begin() {
      asked.push("begin");
      await begin();
      return { end: ({ kind }) => void asked.push(kind) };
    },
    hasHandedOver: () => state.isOut,
    async giveBack() {
      asked.push("give back");
      state.isOut = false;
    },
    notices: () => ["it will wait for room"],
    changed: async () => void asked.push("changed"),
    leave: () => void asked.push("leave"),
  };
  return { rollouts, asked, state };
}

function setUp(begin?: () => Promise<void>) {
  const fake = makeFakeRollouts(begin);
  const below = makeFakeDeployer();
  const deployer = makeRolloutDeployer({ deployer: below, rollouts: new Map([["cluster", fake.rollouts]]) });
  const abort = new AbortController();
  const options = { signal: abort.signal, onProgress: () => undefined };
  const text = (): unknown => {
    const running = below.running.get(stackKey(workload("x").stack));
    return running?.spec.kind === "service" ? running.spec.env["TEXT"] : null;
  };
  return { ...fake, below, deployer, abort, options, text };
}

const failure = new WaybillError("WORKLOAD_FAILED", "exited with 3");

test("an apply begins with room and tells how it ended", async () => {
  const { deployer, options, asked, text } = setUp();
  await deployer.apply(workload("new"), options);
  assert.deepEqual([asked, text()], [["begin", "runs"], "new"]);
  await deployer.remove(workload("new").stack, options);
  assert.deepEqual(asked.slice(2), ["leave"]);
});

test("what failed in the old one's place is taken back, and its reason is kept", async () => {
  const { deployer, below, options, asked, state, text } = setUp();
  await deployer.apply(workload("old"), options);
  below.behave = async ({ spec }) => {
    if (spec.kind === "service" && spec.env["TEXT"] === "new") throw failure;
  };
  const again = { ...options, previous: workload("old") };
  await assert.rejects(deployer.apply(workload("new"), again), failure);
  assert.deepEqual(asked.slice(2), ["begin", "failed"], "beside the old one there is nothing to take back");
  state.isOut = true;
  await assert.rejects(deployer.apply(workload("new"), again), failure);
  assert.deepEqual([asked.slice(4), text()], [["begin", "give back", "failed"], "old"]);
});

test("a failed return is part of the reason", async () => {
  const { deployer, below, options, state } = setUp();
  state.isOut = true;
  below.behave = () => Promise.reject(failure);
  await assert.rejects(deployer.apply(workload("new"), { ...options, previous: workload("old") }), {
    code: "WORKLOAD_FAILED",
    message: "exited with 3\nThe old revision could not be started again: exited with 3",
  });
});

test("who is cancelled leaves it to the next, who may find that it has to wait", async () => {
  const waiting = new WaybillError("ROLLOUT_WAITING", "no room");
  const begins: (() => Promise<void>)[] = [async () => undefined, () => Promise.reject(waiting)];
  const { deployer, below, options, abort, asked, state } = setUp(async () => begins.shift()?.());
  state.isOut = true;
  below.behave = async (_, signal) => {
    abort.abort(new Error("a newer content"));
    signal.throwIfAborted();
  };
  await assert.rejects(deployer.apply(workload("new"), options), /a newer content/);
  assert.deepEqual(asked, ["begin", "cancelled"]);
  const next = { ...options, signal: new AbortController().signal };
  await assert.rejects(deployer.apply(workload("newer"), next), waiting);
  assert.deepEqual(asked, ["begin", "cancelled", "begin", "give back"], "until there is room the old one runs");
});

test("other targets are left alone, and lose their place in line", async () => {
  const { deployer, options, asked, text } = setUp();
  await deployer.apply({ ...workload("here"), target: "local" }, options);
  assert.deepEqual([asked, text()], [["leave"], "here"]);
  assert.deepEqual(deployer.notices({ ...workload("x"), target: "local" }), []);
  assert.deepEqual(deployer.notices(workload("x")), ["it will wait for room"]);
  assert.deepEqual(deployer.notices(workload("x"), "update"), [], "what changes in place needs no room");
});
