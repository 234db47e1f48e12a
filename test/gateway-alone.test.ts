import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { packageRoot } from "../src/core/package-root.ts";
import { ask } from "./support/ask.ts";
import { replicaWorld, type ReplicaWorld } from "./support/replica-world.ts";
import { service, site, until } from "./support/served.ts";
import { freePort, type ServerProcess } from "./support/server-process.ts";

// A gateway without a server beside it, on the same database.

const limitMs = 30_000;
const slow = `require("node:http").createServer((request, response) => {
  setTimeout(() => response.end("one"), request.url === "/slow" ? 3000 : 0);
}).listen(process.env.PORT);
`;

describe("waybill gateway", { timeout: 200_000 }, () => {
  let world: ReplicaWorld;
  let server: ServerProcess;
  let folder: string;
  let gateway: ChildProcess;
  let port: number;
  const start = (env: Record<string, string>): ChildProcess => {
    const flags = ["gateway", "--data", join(folder, "own"), "--port", String(port)];
    const loader = ["--import", join(packageRoot, "scripts/tsx.mjs")];
    return spawn(process.execPath, [...loader, join(packageRoot, "src/main.ts"), ...flags], {
      env: { ...process.env, DATABASE_URL: "", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  };
  const get = (label: string, path = "/") => ask({ port, host: `${label}.localhost:${port}`, path });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "waybill-gateway-"));
    world = await replicaWorld();
    server = await world.start("one");
    port = await freePort();
    gateway = start({ DATABASE_URL: world.databaseUrl, WAYBILL_DRAIN_TIMEOUT: "20s" });
    const listens = (): Promise<boolean> =>
      ask({ port, host: `localhost:${port}`, path: "/healthz" }).then(
        ({ status }) => status === 200,
        () => false,
      );
    await until("the server is reached by it", listens, limitMs);
  });
  after(async () => {
    gateway?.kill("SIGKILL");
    await world?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("takes a push to the server, and serves what comes of it, files too", async () => {
    const work = await world.clone("shop", { ...server, port });
    await work.write({
      "deployments/web.yaml": service("web"),
      "web/main.js": slow,
      "deployments/docs.yaml": site("docs"),
      "docs/index.html": "words",
    });
    await work.commit("one");
    await work.git("push", "--quiet", "origin", "HEAD:main");
    await until("it answers", async () => (await get("web")).body === "one", limitMs);
    assert.equal((await get("docs")).body, "words");
  });

  test("serves on while the server is away", async () => {
    server.child.kill("SIGKILL");
    await once(server.child, "exit");
    assert.equal((await get("web")).body, "one");
    const { status, body } = await ask({ port, host: `localhost:${port}`, path: "/api/v1/deployments" });
    assert.equal(status, 503, body);
  });

  test("told to stop, it ends what is under way first", async () => {
    const asked = get("web", "/slow");
    await new Promise((resolve) => setTimeout(resolve, 500));
    gateway.kill("SIGTERM");
    assert.equal((await asked).body, "one");
    const [status] = (await once(gateway, "exit")) as [number | null];
    assert.equal(status, 0);
  });

  test("without a database it says what is missing", async () => {
    const failing = start({});
    let said = "";
    failing.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
    const [status] = (await once(failing, "exit")) as [number | null];
    assert.equal(status, 78);
    assert.match(said, /SETTINGS_INVALID DATABASE_URL is not set/);
  });
});
