import assert from "node:assert/strict";
import { Agent, createServer, request, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { makeLocalHarness, type LocalHarness } from "./support/local-target.ts";
import { makeTestEngine } from "./support/stacks.ts";
import { workloadOf } from "./support/workloads.ts";
import { makeEngineDeployer } from "../src/targets/deployer/engine-deployer.ts";
import type { Traffic } from "../src/targets/route.ts";
import type { Workload } from "../src/targets/workload.ts";

const server = (answer: string): string => `
  const http = require("node:http");
  const server = http.createServer((q, s) => setTimeout(() => s.end(${JSON.stringify(answer)}), q.url === "/slow" ? 400 : 0));
  server.listen(process.env.PORT);
  process.on("SIGTERM", () => server.close(() => process.exit(0)));
`;

/** A gateway in miniature: host → route → upstream, counting what is in flight. */
class Gateway implements Traffic {
  readonly #inFlight = new Map<number, number>();
  readonly #agent = new Agent({ keepAlive: true });
  #server: Server | undefined;
  routes: LocalHarness["routes"] | undefined;

  async listen(): Promise<number> {
    this.#server = createServer((incoming, answer) => {
      const route = this.routes?.rows.get(incoming.headers.host?.split(".")[0] ?? "");
      if (route?.upstream.kind !== "http") {
        answer.writeHead(503).end(route?.upstream.kind === "none" ? route.upstream.reason : "");
        return;
      }
      const { hostname, port } = route.upstream;
      this.#count(port, 1);
      const forwarded = request(
        { hostname, port, path: incoming.url ?? "/", agent: this.#agent },
        (response: IncomingMessage) => {
          answer.writeHead(response.statusCode ?? 502);
          response.pipe(answer);
          response.once("close", () => this.#count(port, -1));
        },
      );
      forwarded.once("error", () => {
        this.#count(port, -1);
        answer.writeHead(502).end();
      });
      forwarded.end();
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  #count(port: number, change: number): void {
    this.#inFlight.set(port, (this.#inFlight.get(port) ?? 0) + change);
  }

  async drained({ port }: { port: number }): Promise<number> {
    while ((this.#inFlight.get(port) ?? 0) > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    return 0;
  }

  close(): void {
    this.#agent.destroy();
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

function makeDeployments(traffic?: Traffic) {
  const harness = makeLocalHarness(traffic && { traffic });
  const engine = makeTestEngine({ providers: harness.target.providers });
  const { target } = harness;
  const deployer = makeEngineDeployer({ engine: engine.engine, target, urlOf: (host) => `http://${host}.localhost` });
  const options = { signal: new AbortController().signal, onProgress: () => undefined };
  return {
    ...harness,
    up: (workload: Workload) => deployer.apply(workload, options),
    steps: (workload: Workload) => engine.engine.up(workload.stack, target.program(workload)),
    destroy: (workload: Workload) => engine.engine.destroy(workload.stack),
    async [Symbol.asyncDispose]() {
      engine[Symbol.dispose]();
      await harness[Symbol.asyncDispose]();
    },
  };
}

const service = "kind: service\ncommand: node server.js\naccess: {visibility: public}\n";

test("no request fails while one revision replaces another", async () => {
  const gateway = new Gateway();
  await using deployments = makeDeployments(gateway);
  gateway.routes = deployments.routes;
  const port = await gateway.listen();
  const get = (path = "/") =>
    new Promise<string>((resolve, reject) => {
      request({ port, path, headers: { host: "web.localhost" } }, (response) => {
        let body = "";
        response.on("data", (chunk: Buffer) => (body += chunk.toString()));
        response.on("end", () => resolve(`${response.statusCode} ${body}`));
      })
        .once("error", reject)
        .end();
    });
  try {
    await deployments.up(workloadOf(service, { source: deployments.trees.add({ "server.js": server("one") }) }));
    const seen: string[] = [];
    const load = { isOn: true };
    const loading = (async () => {
      while (load.isOn) seen.push(await get());
    })();
    for (const name of ["two", "three", "four"]) {
      const slow = get("/slow");
      await deployments.up(workloadOf(service, { source: deployments.trees.add({ "server.js": server(name) }) }));
      assert.equal(await get(), `200 ${name}`);
      assert.match(await slow, /^200 /);
    }
    await deployments.target.retired();
    load.isOn = false;
    await loading;
    assert.deepEqual([...new Set(seen)], ["200 one", "200 two", "200 three", "200 four"]);
    assert.ok(seen.length > 50, `only ${seen.length} requests were made`);
  } finally {
    gateway.close();
  }
});

test("a revision that never answers leaves the old one in place", async () => {
  await using deployments = makeDeployments();
  await deployments.up(workloadOf(service, { source: deployments.trees.add({ "server.js": server("one") }) }));
  const before = deployments.routes.rows.get("web");
  const broken = workloadOf(service, { source: deployments.trees.add({ "server.js": "throw new Error('no')" }) });
  await assert.rejects(deployments.up(broken), {
    code: "WORKLOAD_FAILED",
    message: /^crashed .*with status 1\nlast \d+ lines:/,
  });
  assert.deepEqual(deployments.routes.rows.get("web"), before);
  assert.deepEqual(deployments.target.status(broken.stack), { state: "ready", reason: "" });
});

test("an unchanged workload starts nothing, a restart or another secret's version starts it again", async () => {
  await using deployments = makeDeployments();
  const workload = workloadOf(service, { source: deployments.trees.add({ "server.js": server("one") }) });
  await deployments.up(workload);
  const first = deployments.routes.rows.get("web")?.upstream;
  assert.equal((await deployments.steps(workload)).changes.same, 4);
  assert.deepEqual(deployments.routes.rows.get("web")?.upstream, first);
  await deployments.up({ ...workload, restart: "2026-11-21T10:00:00Z" });
  assert.notDeepEqual(deployments.routes.rows.get("web")?.upstream, first);
});

test("a pause ends the program and says who and why; resuming starts it again", async () => {
  await using deployments = makeDeployments();
  const workload = workloadOf(service, { source: deployments.trees.add({ "server.js": server("one") }) });
  await deployments.up(workload);
  await deployments.up({ ...workload, pause: { by: "ada", reason: "index is rebuilt" } });
  await deployments.target.retired();
  assert.deepEqual(deployments.routes.rows.get("web")?.upstream, {
    kind: "none",
    reason: "web was paused by ada: index is rebuilt",
  });
  assert.equal(deployments.target.status(workload.stack), null);
  const log: string[] = [];
  const request = { lines: 1, follow: false, signal: AbortSignal.timeout(30_000) };
  for await (const line of deployments.target.logs(workload.stack, request)) log.push(line.text);
  assert.deepEqual(log, ["stopped: paused by ada: index is rebuilt"]);
  await deployments.up(workload);
  assert.equal(deployments.routes.rows.get("web")?.upstream.kind, "http");
  await deployments.destroy(workload);
  assert.equal(deployments.routes.rows.size, 0);
});

test("a site is files behind a host; a worker is a program without one", async () => {
  await using deployments = makeDeployments();
  const site = workloadOf("kind: site\nfolder: public\nspa: true\n", {
    source: deployments.trees.add({ "public/index.html": "hi" }),
  });
  await deployments.up(site);
  const upstream = deployments.routes.rows.get("web")?.upstream;
  assert.ok(upstream?.kind === "files" && upstream.spa && upstream.folder.endsWith("/public"));
  await deployments.destroy(site);
  await assert.rejects(deployments.up(workloadOf("kind: site\nfolder: dist\n", { source: site.source })), {
    code: "SOURCE_MISSING",
    message: 'the folder "dist" that is to be published is not in the source',
  });
  const worker = workloadOf("kind: worker\ncommand: sleep 100\n", { source: deployments.trees.add({ a: "" }) });
  await deployments.up(worker);
  assert.deepEqual(deployments.target.status(worker.stack), { state: "ready", reason: "" });
  assert.equal(deployments.routes.rows.size, 0);
});
