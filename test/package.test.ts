import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../src/core/package-root.ts";
import { ask } from "./support/ask.ts";
import { linkIn, signInBy, startDemo } from "./support/demo-process.ts";
import { leftOvers } from "./support/left-overs.ts";
import { freePort } from "./support/server-process.ts";

const run = promisify(execFile);

let folder: string;
let tarball: string;
/** Where it cannot be installed, why. */
let obstacle: string | null = null;
// The user's own Node and npm, and nothing of this checkout's.
const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_)/i.test(name))),
  PATH: [dirname(process.execPath), ...(process.env["PATH"] ?? "").split(":")]
    .filter((path) => !path.endsWith("node_modules/.bin"))
    .join(":"),
};

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "waybill-package-"));
  // PostgreSQL's own user reads the libraries within.
  await chmod(folder, 0o755);
  await run("npm", ["pack", "--pack-destination", folder], { cwd: packageRoot, env });
  tarball = join(folder, (await readdir(folder)).find((name) => name.endsWith(".tgz")) ?? "");
  const app = join(folder, "app");
  await mkdir(app);
  await writeFile(join(app, "package.json"), '{"private": true, "type": "module"}');
  // Without install scripts, as npm 12 does it by default.
  const flags = ["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"];
  await run("npm", ["install", ...flags, tarball], { cwd: app, env }).catch((error: { stderr: string }) => {
    if (!/ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENOTCACHED|E40[134]/.test(error.stderr)) throw error;
    obstacle = `the registry cannot be reached: ${/code (\w+)/.exec(error.stderr)?.[1]}`;
  });
});
after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));

const waybill = (cwd: string, ...args: string[]) =>
  run(join(folder, "app/node_modules/.bin/waybill"), args, { cwd, env, encoding: "utf8" });

test("the package holds what runs, and nothing of how it is made", async (t) => {
  const { stdout } = await run("tar", ["tzf", tarball]);
  const names = stdout.trim().split("\n");
  for (const name of ["dist/src/serve-gateway.js", "dist/templates/local/service.js", "dist/src/http/assets/page.css"])
    assert.ok(names.includes(`package/${name}`), name);
  assert.deepEqual(
    names.filter((name) => /\.tsx?$|\.test\.|\/(scripts|test|bench|node_modules)\//.test(name)),
    [],
  );
  const { size } = await stat(tarball);
  assert.ok(size < 750_000, `${size} bytes`);
  if (obstacle !== null) return t.skip(obstacle);
  assert.deepEqual(
    (await readdir(join(folder, "app/node_modules"))).filter((name) => ["typescript", "oxlint", "node"].includes(name)),
    [],
  );
});

test("the installed command line helps, checks and writes files", async (t) => {
  if (obstacle !== null) return t.skip(obstacle);
  const site = join(folder, "site");
  await mkdir(site);
  await writeFile(join(site, "index.html"), "<h1>Hello</h1>");
  assert.match((await waybill(site, "--help")).stdout, /^Usage: waybill /);
  assert.match(
    (await waybill(site, "init")).stdout,
    /^Saw a static site in this folder, and wrote deployments\/site\.yaml/,
  );
  assert.equal((await waybill(site, "validate")).stdout, "no problems in 1 file\n");
  assert.deepEqual(
    await readFile(join(site, "deploy.schema.json"), "utf8"),
    await readFile(join(packageRoot, "deploy.schema.json"), "utf8"),
  );
  await writeFile(join(site, "deployments/site.yaml"), "kind: barge\n");
  await assert.rejects(waybill(site, "validate"), { code: 1, stdout: /site\.yaml:1:7 KIND_UNKNOWN kind "barge"/ });
});

test("the installed demo deploys, signs in, ends with all that it started, and finds its data again", async (t) => {
  if (obstacle !== null) return t.skip(obstacle);
  const app = join(folder, "app");
  const port = await freePort();
  const args = ["demo", "--data", join(folder, "data"), "--port", String(port)];
  for (const isAgain of [false, true]) {
    const demo = await startDemo({ command: join(app, "node_modules/.bin/waybill"), args, cwd: app, env });
    assert.equal(
      demo.said.some((line) => line.startsWith("Found the sample of an earlier start")),
      isAgain,
    );
    assert.equal(demo.said.filter((line) => / ready +http/.test(line)).length, isAgain ? 0 : 3, demo.said.join("\n"));
    const site = await ask({ port, host: `docs.localhost:${port}` });
    assert.equal(site.status, 200);
    assert.match(site.body, /handbook/);
    const page = await ask({ port, host: `localhost:${port}`, headers: { cookie: await signInBy(linkIn(demo.said)) } });
    assert.match(page.body, /docs[^]*reports[^]*web/);
    const style = /href="(\/assets\/page\.css[^"]*)"/.exec(page.body)?.[1] ?? "";
    assert.equal((await ask({ port, host: `localhost:${port}`, path: style })).status, 200);
    assert.equal(await demo.end("SIGINT"), 0);
    assert.deepEqual(await leftOvers(folder), []);
  }
});
