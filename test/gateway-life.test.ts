import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, createServer, request } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { mkdtempSync, readFileSync, rmSync, statSync, chmodSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { silentLog } from "../src/core/log.ts";
import { call } from "../src/gateway/control/client.ts";
import { accessLogFile, gatewayLogFile, readStates, writeState } from "../src/gateway/control/state-file.ts";
import { ensureGateway } from "../src/gateway/launch.ts";
import { openDatabase } from "../src/store/database.ts";
import { startEmbeddedPostgres } from "../src/store/embedded-postgres.ts";
import { makeRouteStore } from "../src/store/routes.ts";
import { freePort } from "./support/server-process.ts";
import { ask, bootstrap, open, signedIn, stack, startGateway, until } from "./support/gateway.ts";

test("a second start adopts the gateway, one of another version takes its place without a failed request", async () => {
  await using gateway = await startGateway();
  const { port } = await gateway.upstream((_, response) => setTimeout(() => response.end("ok"), 5));
  await gateway.route({ port });
  const first = gateway.handle.pid();
  const again = await ensureGateway(gateway.options);
  assert.equal(again.pid(), first);

  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const keptOpen = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const host = `ranker.localhost:${gateway.port}`;
      const outgoing = request({ port: gateway.port, host: "127.0.0.1", agent, headers: { host } }, (response) => {
        void text(response).then(() => resolve(response.statusCode ?? 0));
      });
      outgoing.once("error", reject).end();
    });
  const failures: unknown[] = [];
  let answered = 0;
  const over = new AbortController();
  const clients = [0, 1, 2, 3].map(async (index) => {
    while (!over.signal.aborted) {
      const one = index % 2 === 0 ? keptOpen() : gateway.ask({}).then(({ status }) => status);
      await one.then(
        (status) => (status === 200 ? (answered += 1) : failures.push(status)),
        (error: unknown) => failures.push(error),
      );
    }
  });
  const upgraded = await ensureGateway({ ...gateway.options, version: "2" });
  await sleep(200);
  over.abort();
  await Promise.all(clients);
  agent.destroy();
  assert.deepEqual(failures, []);
  assert.ok(answered > 20, `${answered} answers`);
  assert.notEqual(upgraded.pid(), first);
  await until(() => readStates(gateway.dataFolder).length === 1, "the old one is gone", 8_000);
  assert.equal((await gateway.ask({})).status, 200);
  await again.release();
  await upgraded.release();
});

test("the old gateway finishes what it has under way, and is asked whether an address is idle", async () => {
  await using gateway = await startGateway();
  let finish: (() => void) | undefined;
  const { port } = await gateway.upstream((_, response) => {
    response.write("begun");
    finish = () => response.end(" and ended");
  });
  await gateway.route({ port });
  const answer = gateway.ask({});
  await until(() => finish !== undefined, "the request is under way");
  const upgraded = await ensureGateway({ ...gateway.options, version: "2" });
  await gateway.route({ port: 1 });
  const signal = AbortSignal.timeout(30_000);
  const upstream = { hostname: "127.0.0.1", port };
  assert.equal(await upgraded.traffic.drained(upstream, { timeoutMs: 100, signal }), 1);
  setTimeout(() => finish?.(), 50);
  assert.equal(await upgraded.traffic.drained(upstream, { timeoutMs: 3_000, signal }), 0);
  assert.equal((await answer).body, "begun and ended");
  await upgraded.release();
});

test("a gateway that ends with its server lets what is under way finish, for as long as it is told", async () => {
  await using gateway = await startGateway();
  let isBegun = false;
  const { port } = await gateway.upstream((_, response) => {
    isBegun = true;
    setTimeout(() => response.end("late"), 3_000);
  });
  await gateway.route({ port });
  const answer = gateway.ask({});
  await until(() => isBegun, "the request is under way");
  await gateway.handle.stop(20_000);
  assert.equal((await answer).body, "late");
});

test("an address is idle only once its route has moved, and the move is in force when it says so", async () => {
  await using gateway = await startGateway();
  const answering = (name: string) => gateway.upstream((_, response) => setTimeout(() => response.end(name), 20));
  const [old, fresh] = [await answering("old"), await answering("new")];
  await gateway.route({ port: old.port });
  const upstream = { hostname: "127.0.0.1", port: old.port };
  const signal = AbortSignal.timeout(30_000);
  const tooEarly = Date.now();
  await gateway.handle.traffic.drained(upstream, { timeoutMs: 150, signal });
  assert.ok(Date.now() - tooEarly >= 150, "still routed there");
  const failures: unknown[] = [];
  const over = new AbortController();
  const clients = [0, 1, 2].map(async () => {
    while (!over.signal.aborted) {
      const { status, body } = await gateway.ask({});
      if (status !== 200) failures.push(`${status} ${body}`);
    }
  });
  await gateway.routes.put({
    host: "ranker",
    stack,
    access: open,
    upstream: { kind: "http", hostname: "127.0.0.1", port: fresh.port, protocol: "http" },
  });
  assert.equal(await gateway.handle.traffic.drained(upstream, { timeoutMs: 5_000, signal }), 0);
  assert.equal((await gateway.ask({})).body, "new");
  old.server.close();
  old.server.closeAllConnections();
  await sleep(100);
  over.abort();
  await Promise.all(clients);
  assert.deepEqual(failures, []);
});

test("a change of a route is in force within milliseconds", async () => {
  await using gateway = await startGateway();
  const { port } = await gateway.upstream((_, response) => response.end("ok"));
  await gateway.route({ port });
  const delaysMs: number[] = [];
  for (let index = 0; index < 10; index += 1) {
    const reason = `paused ${index}`;
    await gateway.routes.put({ host: "ranker", stack, access: open, upstream: { kind: "none", reason } });
    const startedMs = performance.now();
    await until(async () => (await gateway.ask({})).body.includes(reason), reason);
    delaysMs.push(performance.now() - startedMs);
  }
  const median = delaysMs.toSorted((a, b) => a - b)[5] ?? Infinity;
  assert.ok(median < 50, `${delaysMs.map(Math.round).join(" ")} ms, two requests and a pause included`);
});

test("deployments stay reachable while the server is away, and its own address says that it restarts", async () => {
  await using gateway = await startGateway();
  const app = await gateway.upstream((_, response) => response.end("app"));
  await gateway.route({ port: app.port, access: signedIn });
  const bare = `localhost:${gateway.port}`;
  assert.equal((await gateway.ask({ host: bare })).status, 503, "before the server ever said where it is");
  const server = await gateway.upstream((incoming, response) => {
    response.end(JSON.stringify([incoming.headers.host, incoming.headers["x-forwarded-for"], incoming.url]));
  });
  await gateway.routes.setEndpoint({ hostname: "127.0.0.1", port: server.port });
  await until(async () => (await gateway.ask({ host: bare })).status === 200, "the server's address is known");
  const through = await gateway.ask({ host: bare, path: "/a/../b?c", headers: { "x-forwarded-for": "1.2.3.4" } });
  assert.deepEqual(JSON.parse(through.body), [bare, "127.0.0.1", "/a/../b?c"]);
  server.server.close();
  server.server.closeAllConnections();
  const away = await gateway.ask({ host: bare, headers: { accept: "text/html" } });
  assert.deepEqual([away.status, away.headers["retry-after"]], [503, "2"]);
  assert.match(away.body, /Waybill is restarting/);
  const problem = await gateway.ask({ host: bare, method: "POST", body: "x" });
  assert.deepEqual([problem.status, JSON.parse(problem.body).code], [503, "SERVER_AWAY"]);
  const token = { authorization: `Bearer ${bootstrap}` };
  assert.equal((await gateway.ask({ headers: token })).body, "app");
  const next = await gateway.upstream((_, response) => response.end("back"));
  await gateway.routes.setEndpoint({ hostname: "127.0.0.1", port: next.port });
  await until(async () => (await gateway.ask({ host: bare })).body === "back", "the server is back, elsewhere");
});

test("what is held stays in force while PostgreSQL is away; back at another port, its news arrive", async () => {
  const folder = mkdtempSync(join(tmpdir(), "waybill-gateway-"));
  chmodSync(folder, 0o755);
  const postgresFolder = join(folder, "postgres");
  let postgres = await startEmbeddedPostgres(postgresFolder);
  let database = await openDatabase(postgres.url);
  const port = await freePort();
  const options = { dataFolder: join(folder, "data"), port, version: "1", log: silentLog };
  const route = { host: "ranker", stack, access: open } as const;
  const paused = (reason: string) => ({ ...route, upstream: { kind: "none", reason } }) as const;
  await makeRouteStore(database.db).put(paused("before"));
  const handle = await ensureGateway({ ...options, databaseUrl: postgres.url });
  try {
    assert.match((await ask(port, {})).body, /before/);
    await database.close();
    await postgres.stop();
    await sleep(300);
    assert.match((await ask(port, {})).body, /before/, "without a database");
    const unknown = await ask(port, { headers: { authorization: "Bearer wb_nothing" } });
    assert.equal(unknown.status, 503, "garbage asks the database that is away, and costs nobody anything");
    postgres = await startEmbeddedPostgres(postgresFolder);
    database = await openDatabase(postgres.url);
    await makeRouteStore(database.db).put(paused("after"));
    const again = await ensureGateway({ ...options, databaseUrl: postgres.url });
    assert.equal(again.pid(), handle.pid());
    await until(async () => (await ask(port, {})).body.includes("after"), "the news");
    await makeRouteStore(database.db).put(paused("later"));
    await until(async () => (await ask(port, {})).body.includes("later"), "later news");
    await again.release();
  } finally {
    await handle.stop();
    await database.close();
    await postgres.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a gateway that is killed is started again, and a port that is taken is named", async () => {
  await using gateway = await startGateway();
  const { port } = await gateway.upstream((_, response) => response.end("ok"));
  await gateway.route({ port });
  const first = gateway.handle.pid();
  process.kill(first, "SIGKILL");
  await until(() => gateway.handle.pid() !== first, "another process", 10_000);
  assert.equal((await gateway.ask({})).status, 200);
  const dataFolder = mkdtempSync(join(tmpdir(), "waybill-gateway-"));
  await assert.rejects(ensureGateway({ ...gateway.options, dataFolder }), {
    code: "SETTINGS_INVALID",
    message: `port ${gateway.port} is in use by another program: stop that, or choose another port with --port`,
  });
  rmSync(dataFolder, { recursive: true, force: true });
});

test("the access log has a line for each request and no secret; nothing private is readable by others", async () => {
  await using gateway = await startGateway();
  const { port } = await gateway.upstream((_, response) => response.end("four"));
  await gateway.route({ port, access: signedIn });
  const headers = { authorization: `Bearer ${bootstrap}`, "x-request-id": "theirs-1", cookie: "a=hidden" };
  const answer = await gateway.ask({ path: "/a/b?token=hidden", headers });
  await gateway.ask({ path: "/denied?token=hidden" });
  const file = accessLogFile(gateway.dataFolder);
  const lines = (): Record<string, unknown>[] => {
    try {
      const written = readFileSync(file, "utf8").trim().split("\n");
      return written.map((line) => JSON.parse(line) as Record<string, unknown>);
    } catch {
      return [];
    }
  };
  await until(() => lines().length === 2, "two lines");
  const [line = {}, denied = {}] = lines();
  const { time, durationMs, ...rest } = line;
  assert.ok(Date.parse(String(time)) > 0 && Number(durationMs) >= 0);
  assert.deepEqual(rest, {
    requestId: answer.headers["x-request-id"],
    parentRequestId: "theirs-1",
    host: `ranker.localhost:${gateway.port}`,
    deployment: "shop/production/ranker",
    method: "GET",
    path: "/a/b",
    status: 200,
    bytes: 4,
    user: "bootstrap",
    address: "127.0.0.1",
  });
  assert.deepEqual([denied["status"], denied["user"], denied["path"]], [401, null, "/denied"]);
  assert.ok(!readFileSync(file, "utf8").includes("hidden"));
  const folder = join(gateway.dataFolder, "gateway");
  for (const name of ["settings.json", `process-${gateway.handle.pid()}.json`, "access.log", "gateway.log"]) {
    assert.equal(statSync(join(folder, name)).mode & 0o077, 0, name);
  }
  const command = readFileSync(`/proc/${gateway.handle.pid()}/cmdline`, "utf8");
  assert.ok(!command.includes("postgres:"), "no address of a database on the command line");
});

test("a gateway leads to the server once it has heard of it, and not before", async () => {
  await using gateway = await startGateway();
  const endpoint = { hostname: "127.0.0.1", port: 1 };
  const pid = gateway.handle.pid();
  await assert.rejects(gateway.handle.leads(endpoint, 200), {
    code: "GATEWAY_UNAVAILABLE",
    message:
      `the gateway (process ${pid}) has not heard of this server for 0.2 s, so that no page, push or command would ` +
      `reach it. It hears by way of the database: see ${gatewayLogFile(gateway.dataFolder)}. Deployments are left as ` +
      `they are. Start again, or end process ${pid} first, to have another gateway started`,
  });
  await gateway.routes.setEndpoint(endpoint);
  await gateway.handle.leads(endpoint);
  await assert.rejects(gateway.handle.leads({ ...endpoint, port: 2 }, 200), { code: "GATEWAY_UNAVAILABLE" });
});

test("a gateway that answers nobody is replaced, one that serves is left alone", async () => {
  await using gateway = await startGateway();
  const { port } = await gateway.upstream((_, response) => response.end("ok"));
  await gateway.route({ port });
  const [state] = readStates(gateway.dataFolder);
  assert.ok(state);
  const silent = createTcpServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  const address = silent.address();
  assert.ok(typeof address === "object" && address);
  writeState(gateway.dataFolder, { ...state, controlPort: address.port });
  await assert.rejects(ensureGateway(gateway.options), {
    code: "GATEWAY_UNAVAILABLE",
    message: /^the gateway \(process \d+\) serves requests on port \d+, but has not answered its control channel/,
  });
  assert.equal((await gateway.ask({})).body, "ok");
  silent.close();

  writeState(gateway.dataFolder, state);
  process.kill(state.pid, "SIGSTOP");
  const next = await ensureGateway(gateway.options);
  assert.notEqual(next.pid(), state.pid);
  assert.equal((await gateway.ask({})).body, "ok");
  assert.throws(() => process.kill(state.pid, 0), { code: "ESRCH" });
  await until(() => gateway.handle.pid() === next.pid(), "the other server knows it too");
  await next.release();
});

test("the gateway's own log is bounded", async () => {
  await using gateway = await startGateway();
  const file = gatewayLogFile(gateway.dataFolder);
  writeFileSync(file, "x".repeat(11 * 2 ** 20));
  process.kill(gateway.handle.pid(), "SIGKILL");
  await until(() => statSync(`${file}.1`, { throwIfNoEntry: false }) !== undefined, "an older part", 20_000);
  assert.equal(statSync(`${file}.1`).mode & 0o077, 0);
  await until(() => readFileSync(file, "utf8").includes("gateway listening"), "it goes on", 20_000);
  assert.ok(statSync(file).size < 2 ** 20);
});

test("the control channel answers nobody without the secret", async () => {
  await using gateway = await startGateway();
  const [state] = readStates(gateway.dataFolder);
  const socket = connect(state?.controlPort ?? 0, "127.0.0.1");
  socket.end(
    "POST /stop HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer x\r\nContent-Length: 2\r\n\r\n{}",
  );
  assert.match(await text(socket), /^HTTP\/1.1 404/);
});

test("the running gateway stays when a new one cannot start in its place", async () => {
  await using gateway = await startGateway();
  const { port } = await gateway.upstream((_, response) => response.end("ok"));
  await gateway.route({ port });
  const [state] = readStates(gateway.dataFolder);
  assert.ok(state);
  const start = {
    execPath: process.execPath,
    entry: "/nowhere/serve-gateway.ts",
    settingsFile: "/nowhere/settings.json",
  };
  await assert.rejects(call(state, "takeover", start, { timeoutMs: 20_000 }), /the gateway did not start[^]*status 1/);
  assert.equal((await gateway.ask({})).body, "ok");
  assert.equal(gateway.handle.pid(), state.pid);
});

test("a deployment that restarts loses no request that may be sent again", async () => {
  await using gateway = await startGateway();
  const first = await gateway.upstream((_, response) => response.end("first"));
  await gateway.route({ port: first.port });
  await gateway.ask({});
  first.server.close();
  first.server.closeAllConnections();
  const answer = gateway.ask({});
  const again = createServer((_, response) => response.end("again")).listen(first.port, "127.0.0.1");
  assert.equal((await answer).body, "again");
  again.close();
  again.closeAllConnections();
});

test("garbage in any number asks the database little and is answered", async () => {
  await using gateway = await startGateway();
  await gateway.route({ port: 1, access: signedIn });
  const cookie = (): string => `${gateway.access.cookies.session}=${randomBytes(32).toString("base64url")}`;
  const garbage = Array.from({ length: 500 }, () => gateway.ask({ headers: { cookie: cookie() } }));
  assert.deepEqual(new Set((await Promise.all(garbage)).map(({ status }) => status)), new Set([401]));
});

test("the process that started the gateway is killed: the gateway answers on, and the next start adopts it", async () => {
  await using gateway = await startGateway();
  const { port } = await gateway.upstream((_, response) => response.end("ok"));
  await gateway.route({ port });
  const [dataFolder, ownPort] = [mkdtempSync(join(tmpdir(), "waybill-gateway-")), await freePort()];
  const options = { dataFolder, port: ownPort, databaseUrl: gateway.databaseUrl, version: "1" };
  const program = `
    import { ensureGateway } from ${JSON.stringify(new URL("../src/gateway/launch.ts", import.meta.url).href)};
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const handle = await ensureGateway({ ...JSON.parse(process.env.OPTIONS), log });
    console.log(handle.pid());
    setInterval(() => undefined, 1000);`;
  const env = { ...process.env, OPTIONS: JSON.stringify(options) };
  const server = spawn(process.execPath, ["--input-type=module", "-e", program], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pid = Number(String((await once(server.stdout, "data"))[0]));
  server.kill("SIGKILL");
  await once(server, "exit");
  const host = `ranker.localhost:${ownPort}`;
  assert.equal((await ask(ownPort, { host })).body, "ok");
  const adopted = await ensureGateway({ ...options, log: silentLog });
  assert.equal(adopted.pid(), pid);
  await adopted.stop();
  await assert.rejects(ask(ownPort, { host }), { code: "ECONNREFUSED" });
  rmSync(dataFolder, { recursive: true, force: true });
});

test("a gateway that hangs while its server runs is replaced", async () => {
  await using gateway = await startGateway();
  const { port } = await gateway.upstream((_, response) => response.end("app"));
  await gateway.route({ port });
  const hung = gateway.handle.pid();
  process.kill(hung, "SIGSTOP");
  await until(() => gateway.handle.pid() !== hung, "another one", 60_000);
  assert.equal((await gateway.ask({})).body, "app");
});
