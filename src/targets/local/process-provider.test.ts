import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  callOf,
  fakeSecrets,
  makeLocalHarness,
  processInputs,
  providerOf,
  type LocalHarness,
} from "../../../test/support/local-target.ts";
import type { Properties } from "../../engine/provider.ts";
import { textOf } from "./properties.ts";
import { processesMarked } from "./processes/process-table.ts";

const hello = `
  const http = require("node:http");
  http.createServer((q, s) => s.end(process.env.GREETING ?? "hello")).listen(process.env.PORT);
`;
const stack = { repository: "shop", environment: "production", deployment: "web" };

async function source(harness: LocalHarness, files: Readonly<Record<string, string>>): Promise<string> {
  const inputs = {
    stack,
    tree: harness.trees.add(files),
    workingDir: ".",
    build: null,
    env: {},
    files: {},
  };
  const { outputs } = await providerOf(harness.target).create({
    ...callOf({ type: "waybill:local:Source", name: "web" }),
    inputs,
  });
  return textOf(outputs, "key");
}

async function start(harness: LocalHarness, inputs: Properties, operationId?: string) {
  const call = callOf({ type: "waybill:local:Process", name: "web", ...(operationId && { operationId }) });
  const { id, outputs } = await providerOf(harness.target).create({ ...call, inputs: processInputs(inputs) });
  return { id, url: `http://${textOf(outputs, "hostname")}:${Number(outputs["port"])}/`, call, outputs };
}

async function fails(files: Readonly<Record<string, string>>, inputs: Properties): Promise<string> {
  await using harness = makeLocalHarness();
  const key = await source(harness, files);
  const error = await start(harness, { source: key, startTimeoutSeconds: 1, ...inputs }).then(
    () => assert.fail("it should not have become ready"),
    (thrown: Error) => thrown,
  );
  assert.equal((error as Error & { code?: string }).code, "WORKLOAD_FAILED", error.stack);
  const [id = ""] = readdirSync(join(harness.folder, "instances")).filter((name) => name.startsWith("web"));
  assert.deepEqual(processesMarked(`WAYBILL_INSTANCE=${id}`), [], "nothing of it is left running");
  assert.ok(existsSync(join(harness.folder, "instances", id, "output.log")), "its log is kept");
  return error.message;
}

test("a program starts, answers on a free port, and ends when it is removed", async () => {
  await using harness = makeLocalHarness();
  const { id, url, call, outputs } = await start(harness, { source: await source(harness, { "server.js": hello }) });
  assert.equal(await (await fetch(url)).text(), "hello");
  assert.deepEqual(harness.target.status(stack), { state: "ready", reason: "" });
  await providerOf(harness.target).delete({ ...call, id, inputs: {}, outputs });
  await harness.target.retired();
  await assert.rejects(fetch(url));
  assert.equal(harness.target.status(stack), null);
  assert.deepEqual(processesMarked(`WAYBILL_INSTANCE=${id}`), []);
});

test("the same operation made twice is one process", async () => {
  await using harness = makeLocalHarness();
  const key = await source(harness, { "server.js": hello });
  const [first, second] = await Promise.all([
    start(harness, { source: key }, "operation"),
    start(harness, { source: key }, "operation"),
  ]);
  assert.equal(first.id, second.id);
  assert.equal(first.url, second.url);
});

test("its environment is its own: nothing of the server's, secrets by name", async () => {
  process.env["WAYBILL_TEST_OF_LEAKS"] = "server";
  await using harness = makeLocalHarness({ secrets: fakeSecrets({ "db@2": "s3cret", "ca@1": "PEM" }) });
  const server = `
    const http = require("node:http"), fs = require("node:fs");
    const { env } = process;
    const file = env.WAYBILL_SECRET_FILE_CA;
    http.createServer((q, s) => s.end(JSON.stringify({ env, pem: fs.readFileSync(file, "utf8"), mode: fs.statSync(file).mode & 0o777 }))).listen(env.PORT);
  `;
  const { id, url } = await start(harness, {
    source: await source(harness, { "server.js": server }),
    env: { LOG_LEVEL: "info" },
    secrets: [
      { name: "db", version: 2, env: "DATABASE_URL" },
      { name: "ca", version: 1, file: "/etc/ranker/ca.pem" },
    ],
  });
  const { env, pem, mode } = (await (await fetch(url)).json()) as {
    env: Record<string, string>;
    pem: string;
    mode: number;
  };
  assert.equal(env["DATABASE_URL"], "s3cret");
  assert.equal(env["LOG_LEVEL"], "info");
  assert.equal(env["WAYBILL_TEST_OF_LEAKS"], undefined);
  assert.equal(env["WAYBILL_DEPLOYMENT"], "web");
  assert.deepEqual([pem, mode], ["PEM", 0o600]);
  assert.ok(env["HOME"]?.startsWith(harness.folder));
  const known = new Set(["PWD", "OLDPWD", "SHLVL", "_"]);
  const names = Object.keys(env).filter((name) => !known.has(name) && !name.startsWith("WAYBILL_"));
  assert.deepEqual(names.sort(), [
    "DATABASE_URL",
    "HOME",
    "LANG",
    "LOG_LEVEL",
    "PATH",
    "PORT",
    "PORT_8000",
    "PYTHONUNBUFFERED",
    "TMPDIR",
  ]);
  assert.ok(!existsSync(join(harness.folder, "instances", id, "instance.json.new")));
});

test("what ends at once with status 0 is asked whether it is a job", async () => {
  assert.equal(
    await fails({}, { command: "true" }),
    "exited at once with status 0: a service must keep running. Is this a job?",
  );
});

test("a crash is told with its status and its last lines", async () => {
  const message = await fails({}, { command: "for n in $(seq 30); do echo line $n; done; exit 3" });
  assert.match(message, /crashed at once with status 3\nlast 20 lines:\n {2}line 11\n/);
  assert.match(message, /line 30$/);
});

test("a failing start script is told as its own", async () => {
  assert.equal(
    await fails({}, { startScript: "echo warming; exit 4", command: "true" }),
    "the start script failed with status 4\nlast line:\n  warming",
  );
});

test("a signal is told by its name", async () => {
  assert.match(await fails({}, { command: "kill -SEGV $$" }), /^killed by SIGSEGV at once/);
});

test("a command that is not there is told", async () => {
  assert.match(await fails({}, { command: "no-such-program" }), /the command was not found \(status 127\)/);
});

test("a program that does not listen is told, and one on another port too", async () => {
  assert.match(
    await fails({ "server.js": "setInterval(() => {}, 1000)" }, {}),
    /nothing listens on port \d+ after [\d.]+ s: the program must listen on the port in \$PORT$/,
  );
  const elsewhere = `require("node:http").createServer(() => {}).listen(0)`;
  assert.match(
    await fails({ "server.js": elsewhere }, { startTimeoutSeconds: 3 }),
    /the program listens on port \d+ instead of port \d+: it must listen on the port in \$PORT$/,
  );
});

test("a health check's answer is told", async () => {
  const sick = `require("node:http").createServer((q, s) => { s.statusCode = 500; s.end("no database"); }).listen(process.env.PORT)`;
  assert.equal(
    await fails(
      { "server.js": sick },
      { startTimeoutSeconds: 3, health: { path: "/healthz", timeoutSeconds: 1, protocol: "http" } },
    ),
    'the health check /healthz answers 500: "no database"',
  );
});

test("a program that takes connections and gives no answer is told", async () => {
  const mute = `require("node:net").createServer(() => {}).listen(process.env.PORT)`;
  assert.match(
    await fails(
      { "server.js": mute },
      { startTimeoutSeconds: 3, health: { path: "/ready", timeoutSeconds: 1, protocol: "http" } },
    ),
    /port \d+ accepts connections, but \/ready was not answered within [\d.]+ s$/,
  );
});

test("a reason does not repeat a secret", async () => {
  await using harness = makeLocalHarness({ secrets: fakeSecrets({ "db@1": "hunter2hunter2" }) });
  const inputs = { source: await source(harness, {}), command: 'echo "cannot reach $DB"; exit 1' };
  const secrets = [{ name: "db", version: 1, env: "DB" }];
  await assert.rejects(start(harness, { ...inputs, secrets }), /cannot reach \[redacted\]$/);
});

test("a secret that no variable can carry is not repeated by what refuses it", async () => {
  await using harness = makeLocalHarness({ secrets: fakeSecrets({ "db@1": "hunter2\0tail" }) });
  const inputs = { source: await source(harness, {}), secrets: [{ name: "db", version: 1, env: "DB" }] };
  await assert.rejects(start(harness, inputs), {
    message: /^the value of DB holds a NUL byte, which no program can be given$/,
  });
});

test("a working folder that is not there, or a missing secret, is told", async () => {
  assert.match(await fails({}, { workingDir: "api" }), /workingDir "api" is not a folder of the source/);
  assert.match(await fails({}, { secrets: [{ name: "db", version: 1, env: "X" }] }), /secret db does not exist/);
});

test("a cancelled start leaves nothing running", async () => {
  await using harness = makeLocalHarness();
  const abort = new AbortController();
  const call = callOf({ type: "waybill:local:Process", name: "web", signal: abort.signal });
  const inputs = processInputs({ source: await source(harness, {}), command: "sleep 100" });
  const starting = providerOf(harness.target).create({ ...call, inputs });
  setTimeout(() => abort.abort(new Error("a newer push came")), 300);
  await assert.rejects(starting, /a newer push came/);
  const [id = ""] = readdirSync(join(harness.folder, "instances")).filter((name) => name.startsWith("web"));
  assert.deepEqual(processesMarked(`WAYBILL_INSTANCE=${id}`), []);
});

test("a port that another program took meanwhile is exchanged", async () => {
  await using harness = makeLocalHarness();
  const squatter = `require("node:net").createServer().listen(process.argv[1]); setTimeout(() => process.exit(), 2000)`;
  const first = `
    const { spawn } = require("node:child_process"), fs = require("node:fs");
    if (fs.existsSync(process.env.HOME + "/second")) { ${hello} } else {
      fs.writeFileSync(process.env.HOME + "/second", "");
      const port = process.env.PORT;
      spawn(process.execPath, ["-e", ${JSON.stringify(squatter)}, port], { detached: true, stdio: "ignore", env: {} }).unref();
      const look = () => require("node:net").connect(port, "127.0.0.1").on("connect", () => process.exit(1)).on("error", () => setTimeout(look, 5));
      look();
    }
  `;
  const key = await source(harness, { "server.js": first });
  const { url } = await start(harness, { source: key, health: { path: "/", timeoutSeconds: 5, protocol: "http" } });
  assert.equal(await (await fetch(url)).text(), "hello");
});

const python = spawnSync("python3", ["--version"]).status === 0;

test("a Python program runs just so", { skip: !python && "python3 is not on this machine" }, async () => {
  await using harness = makeLocalHarness();
  const key = await source(harness, { "index.html": "from Python" });
  const { url } = await start(harness, { source: key, command: 'python3 -m http.server "$PORT"' });
  assert.equal(await (await fetch(url)).text(), "from Python");
});

test("what no state knows is taken over where it is as wanted, and ends where it is not", async () => {
  await using harness = makeLocalHarness({ isOwned: () => Promise.resolve(false) });
  const key = await source(harness, { "server.js": hello });
  const first = await start(harness, { source: key });
  const again = await start(harness, { source: key });
  assert.equal(again.id, first.id, "the program that runs already");
  const other = await start(harness, { source: key, env: { GREETING: "another" } });
  assert.notEqual(other.id, first.id);
  await harness.target.retired();
  assert.deepEqual(processesMarked(`WAYBILL_INSTANCE=${first.id}`), []);
  // Another database counts versions anew: version 1 may be another value.
  const secrets = [{ name: "key", env: "KEY", version: 1 }];
  await using withSecret = makeLocalHarness({
    isOwned: () => Promise.resolve(false),
    secrets: fakeSecrets({ "key@1": "value" }),
  });
  const inputs = { source: await source(withSecret, { "server.js": hello }), secrets };
  assert.notEqual((await start(withSecret, inputs)).id, (await start(withSecret, inputs)).id);
});
