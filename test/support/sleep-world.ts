import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/core/clock.ts";
import { silentLog } from "../../src/core/log.ts";
import type { Json } from "../../src/engine/provider.ts";
import { statusOf } from "../../src/gateway/control/client.ts";
import { readStates } from "../../src/gateway/control/state-file.ts";
import { openDatabase } from "../../src/store/database.ts";
import { makeSleepBook } from "../../src/store/sleep/book.ts";
import { makeSleepKeeper } from "../../src/targets/sleep/keeper.ts";
import { open, stack, startGateway } from "./gateway.ts";
import { callOf, makeLocalHarness, processInputs, providerOf } from "./local-target.ts";

/** Answers its process id; says so when it was asked to end, or when it could not start because a file says so. */
export const pidProgram = `
  const http = require("node:http");
  if (require("node:fs").existsSync(process.env.BREAKS)) { console.log("broken"); process.exit(3); }
  http.createServer((request, response) => {
    let length = 0;
    request.on("data", (chunk) => (length += chunk.length));
    request.on("end", () => setTimeout(() => response.end(process.pid + " " + length), Number(request.headers["x-delay"] ?? 0)));
  }).on("upgrade", (request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n");
    socket.on("data", (chunk) => socket.write(chunk)).on("end", () => socket.end());
  }).listen(process.env.PORT);
  console.log("listening");
`;

/** A real gateway, a real local target and its keeper of sleep, looked at often: one program that may sleep at once. */
export async function startSleepWorld(idleSeconds: number, { breaks = "/nonexistent" } = {}) {
  const gateway = await startGateway();
  const database = await openDatabase(gateway.databaseUrl);
  const harness = makeLocalHarness({ traffic: gateway.handle.traffic });
  const book = makeSleepBook(database.db);
  const ending = new AbortController();
  const keeper = makeSleepKeeper({
    book,
    quiet: gateway.handle.traffic,
    sleeperOf: () => harness.target.sleeper,
    isBusy: () => false,
    clock: systemClock,
    log: silentLog,
    signal: ending.signal,
  });
  const running = keeper.run();
  const looking = setInterval(() => keeper.look(), 10);
  const provider = providerOf(harness.target);
  const owner = { stack: { ...stack } };
  const source = await provider.create({
    ...callOf({ type: "waybill:local:Source", name: "web" }),
    inputs: {
      ...owner,
      tree: harness.trees.add({ "server.js": pidProgram }),
      workingDir: ".",
      build: null,
      env: {},
      files: {},
    },
  });
  const process = await provider.create({
    ...callOf({ type: "waybill:local:Process", name: "web" }),
    inputs: processInputs({ ...owner, source: source.outputs["key"] as Json, env: { BREAKS: breaks } }),
  });
  const port = Number(process.outputs["port"]);
  const upstream = { kind: "http", hostname: "127.0.0.1", port, protocol: "http" } as const;
  const idle = { afterSeconds: idleSeconds, startTimeoutSeconds: 20 };
  await gateway.routes.put({ host: "ranker", stack, access: open, upstream, idle });
  await sleep(50);
  return {
    gateway,
    target: harness.target,
    keeper,
    port,
    stage: async () => (await gateway.routes.list())[0]?.sleep?.stage ?? "awake",
    async parked() {
      const states = await Promise.all(readStates(gateway.dataFolder).map(statusOf));
      return states.reduce((sum, state) => sum + (state?.parked ?? 0), 0);
    },
    lines: async () => {
      const lines: string[] = [];
      const request = { lines: 100_000, follow: false, signal: ending.signal };
      for await (const { text } of harness.target.logs(stack, request)) lines.push(text);
      return lines;
    },
    /** Nothing is put to sleep or woken from here on, as if no server were there. */
    async endKeeper() {
      clearInterval(looking);
      ending.abort();
      await running;
    },
    async [Symbol.asyncDispose]() {
      clearInterval(looking);
      ending.abort();
      await running;
      await database.close();
      await harness[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
    },
  };
}
