import assert from "node:assert/strict";
import { test } from "node:test";
import type { ResolvedFollow } from "../../spec/resolved.ts";
import type { Run } from "../run.ts";
import type { RunState } from "../state.ts";
import type { Job } from "../store.ts";
import { followed } from "./chain.ts";

const endedAt = new Date("2026-03-04T10:00:00Z");

const runIn = (state: RunState): Run =>
  ({
    id: "r1",
    stack: { repository: "shop", environment: "production", deployment: "extract" },
    status: { state, since: new Date("2026-03-04T10:00:05Z"), reason: "", waitingFor: null },
    endedAt: state === "Cancelled" ? null : endedAt,
  }) as Run;

const entry = (given: Partial<ResolvedFollow>): ResolvedFollow => ({
  name: "extract",
  job: "extract",
  states: ["completed"],
  delaySeconds: 0,
  parameters: {},
  ...given,
});

const jobWith = (after: readonly ResolvedFollow[], more: Partial<Job> = {}, state = "running"): Job =>
  ({
    stack: { repository: "shop", environment: "production", deployment: "load" },
    pause: null,
    workload: { spec: { after, state } },
    ...more,
  }) as unknown as Job;

test("each entry that names the ending starts one run, after its delay", () => {
  const job = jobWith([
    entry({ delaySeconds: 300 }),
    entry({ name: "other", job: "other" }),
    entry({ name: "bad", states: ["failed", "timed-out"] }),
  ]);
  const names = (state: RunState): readonly string[] =>
    followed(runIn(state), [job]).starts.map((one) => one.entry.name);
  assert.deepEqual(names("Completed"), ["extract"]);
  assert.deepEqual(names("TimedOut"), ["bad"]);
  assert.deepEqual(names("Crashed"), []);
  assert.deepEqual(names("Running"), []);
  assert.equal(followed(runIn("Completed"), [job]).starts[0]?.dueAt.toISOString(), "2026-03-04T10:05:00.000Z");
});

test("a run that never began has ended when it was dropped", () => {
  const [start] = followed(runIn("Cancelled"), [jobWith([entry({ states: ["cancelled"] })])]).starts;
  assert.equal(start?.dueAt.toISOString(), "2026-03-04T10:00:05.000Z");
});

test("what is paused or stopped does not follow, and it is said once", () => {
  const pause = { by: "ada", reason: "repairs", at: "2026-03-04T09:00:00Z" };
  const after = [entry({}), entry({ name: "again" })];
  assert.deepEqual(followed(runIn("Completed"), [jobWith(after, { pause })]), {
    starts: [],
    note: "load is not started after it: paused by ada: repairs",
  });
  assert.match(followed(runIn("Completed"), [jobWith(after, {}, "stopped")]).note, /its file says state: stopped/);
  assert.equal(followed(runIn("Failed"), [jobWith(after, { pause })]).note, "");
});
