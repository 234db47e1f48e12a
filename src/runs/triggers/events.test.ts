import assert from "node:assert/strict";
import { test } from "node:test";
import { makeFakeRuns, sampleJob } from "../../../test/support/fake-runs.ts";
import { silentLog } from "../../core/log.ts";
import type { Run } from "../run.ts";
import type { Job } from "../store.ts";
import type { EventDelivery, EventOutcome, EventStore } from "./event-store.ts";
import { makeEvents } from "./events.ts";

const address = { repository: "shop", environment: "production", event: "order-placed" };
const deliveryOf = (id: string): EventDelivery => ({ address, id, receivedAt: new Date(0), body: Buffer.from("{}") });
const job: Job = {
  workload: sampleJob("events: [{name: order-placed}]\n"),
  snapshot: 1,
  commit: "1".repeat(40),
  stack: { repository: "shop", environment: "production", deployment: "ranker" },
  pause: null,
  schedulePauses: new Map(),
};

test("an event that cannot be looked at keeps no other waiting, and is given up with its reason", async () => {
  const pending = new Map(["bad", "good"].map((id) => [id, deliveryOf(id)]));
  const settled = new Map<string, readonly EventOutcome[]>();
  const looks: string[] = [];
  const stopping = new AbortController();
  const store: Pick<EventStore, "pending" | "settle"> = {
    pending: async () => [...pending.values()],
    settle: async ({ id }, outcome) => {
      settled.set(id, outcome);
      pending.delete(id);
      if (pending.size === 0) stopping.abort();
    },
  };
  const { run } = await makeFakeRuns().run("t1");
  const { run: look } = makeEvents({
    store: store as EventStore,
    runs: { caused: async () => null },
    jobs: { all: () => [job] },
    async accept([candidate]): Promise<readonly Run[]> {
      const { origin } = candidate ?? {};
      const delivery = origin?.by === "event" ? origin.delivery : "";
      looks.push(delivery);
      if (delivery === "bad") throw new Error("no such text\0");
      return [run];
    },
    newId: () => "n1",
    clock: { now: () => new Date(0), sleep: async () => undefined },
    log: silentLog,
  });
  await look(stopping.signal);
  assert.deepEqual(looks, ["bad", "good", "bad", "bad", "bad", "bad"]);
  assert.deepEqual(settled.get("good"), [{ job: "ranker", run: "t1", problem: null }]);
  assert.deepEqual(settled.get("bad"), [
    { job: "ranker", run: null, problem: "it could not be looked at, 5 times: no such text\u2400" },
  ]);
});
