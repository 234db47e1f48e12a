// From `git push` to the new version answering: Waybill against a bare post-receive hook that checks out and restarts.
// Both are reached over HTTP by the real `git http-backend`, and both run the same Node program.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { ask, type Asked } from "../test/support/ask.ts";
import { freePort } from "../test/support/server-process.ts";
import { median, ratioLine, startServer } from "./support.ts";

const exec = promisify(execFile);

const rounds = Number(process.env["ROUNDS"] ?? 15);
const wantedRatio = 1.25;
// Requests meanwhile: 100 a second, so that asking costs little beside what is measured.
const pollMs = 10;
const restMs = 150;

const program = (version: number): string => `
require("node:http").createServer((request, response) => response.end("version ${version}")).listen(process.env.PORT);
`;

interface Contender {
  readonly name: string;
  readonly remote: string;
  readonly header: string;
  /** Where the program answers. */
  readonly port: number;
  readonly host: string;
  close(): Promise<void>;
}

const get = ({ port, host }: Contender): Promise<Asked | null> => ask({ port, host }).catch(() => null);

const gitEnvironment = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };

// A program that cannot have the port of the one before it, which takes its time to end, is never there.
const lostAfterMs = 10_000;

/** A contender with a clone of its own, and what was measured of it. */
interface Run {
  readonly contender: Contender;
  readonly git: (...args: string[]) => Promise<unknown>;
  readonly work: string;
  readonly millis: number[];
  failures: number;
  /** Versions that never answered. */
  lost: number;
}

async function prepare(contender: Contender, folder: string): Promise<Run> {
  const work = join(folder, `${contender.name}-work`);
  await mkdir(join(work, "deployments"), { recursive: true });
  const git = (...args: string[]) => exec("git", args, { cwd: work, env: gitEnvironment });
  await git("init", "--quiet", "--initial-branch=main");
  for (const [key, value] of [
    ["user.name", "bench"],
    ["user.email", "bench@localhost"],
    ["http.extraHeader", contender.header],
  ]) {
    await git("config", String(key), String(value));
  }
  await git("remote", "add", "origin", contender.remote);
  const spec =
    "apiVersion: waybill/v1\nkind: service\nsource: {path: app}\ncommand: node main.js\naccess: {visibility: public}\n";
  await mkdir(join(work, "app"));
  await writeFile(join(work, "deployments", "app.yaml"), spec);
  return { contender, git, work, millis: [], failures: 0, lost: 0 };
}

async function pushOnce(run: Run, version: number): Promise<void> {
  const { contender, git, work, millis } = run;
  await writeFile(join(work, "app", "main.js"), program(version));
  await git("add", "--all");
  await git("commit", "--quiet", "--message", `version ${version}`);
  const startedAt = performance.now();
  const pushed = git("push", "--quiet", "origin", "main");
  for (;;) {
    const answer = await get(contender);
    if (answer?.body === `version ${version}`) break;
    // Before the first version nothing can answer.
    if (version > 0 && answer?.status !== 200) run.failures += 1;
    const isLost = performance.now() - startedAt > lostAfterMs;
    if (isLost && contender.name === "waybill") throw new Error(`${contender.name} never answered ${version}`);
    if (isLost) {
      run.lost += 1;
      await pushed;
      return;
    }
    await sleep(pollMs);
  }
  if (version > 0) millis.push(performance.now() - startedAt);
  await pushed;
  // What the push set in motion (the old process, the last writes) is over by then.
  await sleep(restMs);
}

async function startWaybill(folder: string): Promise<Contender> {
  const server = await startServer(join(folder, "waybill-data"));
  return {
    name: "waybill",
    remote: `http://localhost:${server.port}/git/bench.git`,
    header: `Authorization: Bearer ${server.token}`,
    port: server.port,
    host: `app.localhost:${server.port}`,
    close: () => server.close(),
  };
}

/** A bare repository behind `git http-backend`; its hook checks out, ends the old program and starts the new. */
async function startBareHook(folder: string): Promise<Contender> {
  const root = join(folder, "bare");
  const repository = join(root, "bench.git");
  const checkout = join(folder, "bare-checkout");
  const port = await freePort();
  await mkdir(checkout, { recursive: true });
  await exec("git", ["init", "--quiet", "--bare", "--initial-branch=main", repository], { env: gitEnvironment });
  await exec("git", ["config", "http.receivepack", "true"], { cwd: repository, env: gitEnvironment });
  const hook = `#!/bin/sh
git --work-tree=${checkout} checkout --quiet --force main
[ -f ${checkout}/pid ] && kill "$(cat ${checkout}/pid)" 2>/dev/null
cd ${checkout}/app && PORT=${port} ${process.execPath} main.js > ../log 2>&1 < /dev/null &
echo $! > ${checkout}/pid
`;
  await writeFile(join(repository, "hooks", "post-receive"), hook);
  await chmod(join(repository, "hooks", "post-receive"), 0o755);
  const { stdout } = await exec("git", ["--exec-path"]);
  const backend = join(stdout.trim(), "git-http-backend");
  const server = createServer((incoming, response) => {
    const url = new URL(incoming.url ?? "/", "http://localhost");
    const child = spawn(backend, [], {
      env: {
        PATH: process.env["PATH"],
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: incoming.method,
        CONTENT_TYPE: incoming.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: incoming.headers["content-encoding"] ?? "",
        GIT_PROTOCOL: String(incoming.headers["git-protocol"] ?? ""),
        REMOTE_USER: "bench",
      },
      stdio: ["pipe", "pipe", "inherit"],
    });
    incoming.pipe(child.stdin);
    answerAsCgi(child, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const gitPort = typeof address === "object" && address ? address.port : 0;
  return {
    name: "bare",
    remote: `http://127.0.0.1:${gitPort}/bench.git`,
    header: "X-Bench: 1",
    port,
    host: `127.0.0.1:${port}`,
    close: () => closeBareHook(server, checkout),
  };
}

function answerAsCgi(child: ChildProcess, response: ServerResponse): void {
  let head = Buffer.alloc(0);
  let hasHead = false;
  child.stdout?.on("data", (chunk: Buffer) => {
    if (hasHead) {
      response.write(chunk);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) return;
    hasHead = true;
    for (const line of head.subarray(0, end).toString().split("\r\n")) {
      const [name = "", value = ""] = line.split(/:\s*/, 2);
      if (name.toLowerCase() === "status") response.statusCode = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.write(head.subarray(end + 4));
  });
  child.once("close", () => response.end());
}

async function closeBareHook(server: Server, checkout: string): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
  await exec("sh", ["-c", `kill "$(cat ${checkout}/pid)"`]).catch(() => undefined);
}

const folder = await mkdtemp(join(tmpdir(), "waybill-bench-"));
await chmod(folder, 0o711);
const contenders = [await startWaybill(folder), await startBareHook(folder)] as const;
try {
  const runs = [await prepare(contenders[0], folder), await prepare(contenders[1], folder)] as const;
  // In turn, so that whatever else the machine does meets both.
  for (let version = 0; version <= rounds; version += 1) {
    for (const run of runs) await pushOnce(run, version);
  }
  const [ours, bare] = runs;
  const ratio = median(ours.millis) / median(bare.millis);
  console.log(`waybill: p50 ${median(ours.millis).toFixed(0)} ms, ${ours.failures} failed requests`);
  console.log(
    `bare hook: p50 ${median(bare.millis).toFixed(0)} ms, ${bare.failures} failed requests, ${bare.lost} lost versions`,
  );
  console.log(
    ratioLine("push to new version answering", { ratio, wanted: `at most ${wantedRatio}`, competitor: "a bare hook" }),
  );
  if (ratio > wantedRatio || ours.failures > 0) process.exitCode = 1;
} finally {
  for (const contender of contenders) await contender.close();
  await rm(folder, { recursive: true, force: true });
}
