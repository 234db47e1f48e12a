import assert from "node:assert/strict";
import { test } from "node:test";
import { makeFeed } from "../core/feed.ts";
import { workloadOf } from "../../test/support/workloads.ts";
import type { StatusChange, Target } from "./target.ts";
import { makeTargets } from "./targets.ts";

function makeFake(name: string): Target & { readonly changes: ReturnType<typeof makeFeed<StatusChange>> } {
  const changes = makeFeed<StatusChange>();
  return {
    changes,
    program: () => () => Promise.resolve({ name }),
    notices: () => [`from ${name}`],
    status: () => ({ state: "ready", reason: name }),
    onStatus: (listener) => changes.listen(listener),
    async *logs() {
      yield { at: "", stream: "stdout", text: name } as const;
    },
  };
}

const workload = workloadOf("kind: service\ncommand: node main.js\n");
const request = { lines: 1, follow: false, signal: new AbortController().signal };

test("each workload goes to its target, which alone speaks for it", async () => {
  const [local, cluster] = [makeFake("local"), makeFake("cluster")];
  const targets = makeTargets({ targets: { local, cluster }, targetOf: async () => "cluster" });
  const heard: string[] = [];
  targets.onStatus(({ status }) => heard.push(status.reason));
  const say = (reason: string): void => {
    for (const { changes } of [local, cluster]) {
      changes.publish({ stack: workload.stack, status: { state: "ready", reason } });
    }
  };
  const read = async (): Promise<readonly string[]> => {
    const lines: string[] = [];
    for await (const { text } of targets.logs(workload.stack, request)) lines.push(text);
    return lines;
  };
  // Of what was applied by another process, the record tells.
  assert.deepEqual(await read(), ["cluster"]);
  assert.deepEqual(await targets.program({ ...workload, target: "cluster" })(), { name: "cluster" });
  say("one");
  assert.deepEqual(heard, ["one"]);
  assert.equal(targets.status(workload.stack)?.reason, "cluster");
  targets.program(workload);
  assert.equal(targets.status(workload.stack)?.reason, "local");
  assert.deepEqual(await read(), ["local"]);
  targets.program({ ...workload, spec: { ...workload.spec, state: "paused" } });
  say("two");
  assert.deepEqual(heard, ["one"]);
  assert.equal(targets.status(workload.stack), null);
});

test("a target that the settings do not have is refused by name", () => {
  const targets = makeTargets({ targets: { local: makeFake("local") }, targetOf: async () => null });
  const lost = { ...workload, target: "gone" };
  assert.deepEqual(targets.notices(lost), [
    `target "gone" is not in the server's settings, which have local: name another, or add it`,
  ]);
  assert.throws(() => targets.program(lost), { code: "TARGET_UNSUPPORTED" });
});
