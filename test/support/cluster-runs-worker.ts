// The runs room on a cluster in a process of its own, to be killed: a real database, real Jobs.
// Arguments: database, folder, repository, port, the number of effects after which to die (0: never).
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "@hono/node-server";
import { systemClock } from "../../src/core/clock.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { isEnded } from "../../src/runs/state.ts";
import type { RunStore } from "../../src/runs/store.ts";
import { openDatabase } from "../../src/store/database.ts";
import { makeRunStore } from "../../src/store/runs/run-store.ts";
import type { Cluster } from "../../src/targets/kubernetes/cluster/cluster.ts";
import { makeClusterRuns } from "../../src/targets/kubernetes/runs/executor.ts";
import { makeHandOvers } from "../../src/targets/kubernetes/runs/hand-over.ts";
import { makeArchives } from "../../src/targets/kubernetes/sources/archives.ts";
import { makeSourceEndpoint } from "../../src/targets/kubernetes/sources/endpoint.ts";
import { makeSourceUrls } from "../../src/targets/kubernetes/sources/signature.ts";
import { hostAddress, nodeImage, openTestCluster } from "./cluster.ts";
import { makeKillCounter } from "./kill-counter.ts";
import { fakeSecrets } from "./local-target.ts";
import { anna, jobStack, makeTestRoom } from "./runs-world.ts";

const [url = "", folder = "", repository = "", port = "", killAfter = "0"] = process.argv.slice(2);
const effect = makeKillCounter(folder, Number(killAfter));

/** Between two effects it is the same whether the one was the last or the other the next. */
function around<Result>(name: string, act: () => Promise<Result>): Promise<Result> {
  effect(`before ${name}`);
  return act();
}

const watchedStore = (store: RunStore): RunStore => ({
  ...store,
  accept: (runs, marks) =>
    runs.length === 0 ? store.accept(runs, marks) : around("accept", () => store.accept(runs, marks)),
  step: (id, from, change) => around(`${from} to ${change.status.state}`, () => store.step(id, from, change)),
});

const watchedCluster = (cluster: Cluster): Cluster => ({
  ...cluster,
  apply: (object, options) => around(`apply of ${object.kind}`, () => cluster.apply(object, options)),
  create: (object, signal) => around(`creation of ${object.kind}`, () => cluster.create(object, signal)),
  delete: (reference, options) => around(`deletion of ${reference.kind}`, () => cluster.delete(reference, options)),
});

const log: Log = { ...silentLog, debug: (_fields, message) => void (message === "run end kept" && effect(message)) };
const database = await openDatabase(url);
const { db } = database;
const urls = makeSourceUrls({ masterKey: Buffer.alloc(32, 7), clock: systemClock });
const handOvers = makeHandOvers(join(folder, "runs"));
const archives = makeArchives({
  folder: join(folder, "sources"),
  source: { archive: (_, write) => write(Buffer.alloc(1_024)) },
  clock: systemClock,
});
const endpoint = makeSourceEndpoint({
  archives,
  urls,
  receive: (start, body) => around("hand-over", () => handOvers.receive(start, body)),
});
const listening = serve({
  port: Number(port),
  hostname: "0.0.0.0",
  async fetch(request) {
    const [, , owner = "", file = ""] = new URL(request.url).pathname.split("/");
    return endpoint.handle(request, owner, file).catch(() => new Response("no", { status: 403 }));
  },
});
const cluster = await openTestCluster();
const executor = makeClusterRuns({
  name: "cluster",
  server: "tests",
  settings: {
    kind: "kubernetes",
    engine: "in-process",
    runtimes: { node: nodeImage },
    gpus: [],
    sourceUrl: `http://${hostAddress}:${port}`,
  },
  secrets: fakeSecrets({}),
  urls,
  host: "waybill.test",
  scheme: "http",
  clock: systemClock,
  cluster: watchedCluster(cluster),
  folder: join(folder, "runs"),
  handOvers,
  sources: { ensure: () => Promise.resolve() },
  log,
});
const room = makeTestRoom({ db, executor, store: watchedStore(makeRunStore(db)), log });
await room.begin();
const stack = jobStack("crash", repository);
if ((await room.runs.runs({ job: "crash" }, { limit: 1 })).length === 0) {
  await room.runs.start({ stack, parameters: {}, name: "", at: null, callback: null, actor: anna });
}
for (let open = true; open; await sleep(50)) {
  open = (await room.runs.runs({ job: "crash" }, { limit: 10 })).some(({ run }) => !isEnded(run.status.state));
}
await room.close();
await executor.close();
cluster.close();
await new Promise((resolve) => listening.close(resolve));
await database.close();
