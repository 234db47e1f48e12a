// A server in miniature, to be killed: the engine and the local target, with their state in files.
// Arguments: folder, the number of durable effects after which to die (0: never), revision, and whether to end what runs.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { makeEngine } from "../../src/engine/engine.ts";
import type { StackState, StateStore } from "../../src/engine/state.ts";
import { makeCipher } from "../../src/core/cipher.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { makeLocalTarget } from "../../src/targets/local/target.ts";
import type { Route, Traffic } from "../../src/targets/route.ts";
import { makeKillCounter } from "./kill-counter.ts";
import { fakeSecrets, makeFakeTrees } from "./local-target.ts";
import { workloadOf } from "./workloads.ts";

const [folder = "", killAfter = "0", revision = "one", end = "leave"] = process.argv.slice(2);
const effect = makeKillCounter(folder, Number(killAfter));

function write(name: string, value: unknown): void {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, JSON.stringify(value));
  renameSync(`${path}.new`, path);
  effect(`written ${name}`);
}

function read<Value>(name: string, missing: Value): Value {
  const path = join(folder, name);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Value) : missing;
}

mkdirSync(folder, { recursive: true });
const state: StateStore = {
  load: () => Promise.resolve(read<StackState | null>("state.json", null)),
  save: (_stack, value) => Promise.resolve(write("state.json", value)),
  remove: () => Promise.resolve(write("state.json", null)),
  list: () => Promise.resolve([]),
};
const log: Log = { ...silentLog, debug: (_fields, message) => effect(message) };
const trees = makeFakeTrees();
const server = (text: string): string =>
  `require("node:http").createServer((q, s) => s.end("${text}")).listen(process.env.PORT)`;
const sources = new Map(["one", "two"].map((text) => [text, trees.add({ "server.js": server(text) })]));
const putRoute = (route: Route): Promise<void> =>
  Promise.resolve(write("routes.json", { ...read<Record<string, Route>>("routes.json", {}), [route.host]: route }));
// The old instance ends after the deploy's last write, never beside it: the effects have one order, so that counting
// them meets each.
const deployed = Promise.withResolvers<void>();
const traffic: Traffic = { drained: () => deployed.promise.then(() => 0) };
const target = makeLocalTarget({
  folder: join(folder, "local"),
  trees,
  secrets: fakeSecrets({}),
  isOwned: () => Promise.resolve(true),
  traffic,
  clock: systemClock,
  log,
  routes: {
    put: putRoute,
    restore: putRoute,
    isAwaited: () => Promise.resolve(false),
    remove: () => Promise.resolve(write("routes.json", {})),
  },
});
const engine = makeEngine({
  providers: target.providers,
  state,
  secrets: makeCipher(Buffer.alloc(32, 7)),
  clock: systemClock,
  log: silentLog,
});
await target.adopt();
const workload = workloadOf("kind: service\ncommand: exec node server.js\n", { source: sources.get(revision) ?? null });
await engine.up(workload.stack, target.program(workload));
deployed.resolve();
await target.retired();
if (end === "stop") await target.stopAll();
else await target.detach();
engine.close();
