import assert from "node:assert/strict";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { clusterSkip } from "./support/cluster.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { until, webProgram } from "./support/served.ts";
import { freePort } from "./support/server-process.ts";

// Where the gateway is the entrance, a deploy is over when nobody gets in. Before the gateway stands what an
// administrator may have put there, which the probe's address names: it sends on what it is sent, or answers itself.

const file = (more: string): string =>
  `apiVersion: waybill/v1\nkind: service\nsource: {path: web}\ncommand: node main.js\nsize: {cpu: 0.02, memory: 64Mi}\n${more}`;

type Mode = "sends on" | "lets in" | "is away";

async function startFront(port: number, gatewayPort: () => number) {
  const seen: { host: string | undefined; agent: string | undefined }[] = [];
  const front = { mode: "sends on" as Mode, seen };
  const answer = (incoming: IncomingMessage, response: ServerResponse): void => {
    const { host, "user-agent": agent } = incoming.headers;
    seen.push({ host, agent });
    if (front.mode === "is away") return void incoming.socket.destroy();
    if (front.mode === "lets in") return void response.end("come in");
    const { method, url: path, headers } = incoming;
    const onward = request({ host: "127.0.0.1", port: gatewayPort(), method, path, headers }, (from) => {
      response.writeHead(from.statusCode ?? 500, from.headers);
      from.pipe(response);
    });
    onward.once("error", () => response.destroy());
    incoming.pipe(onward);
  };
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return Object.assign(front, {
    close() {
      server.close();
      server.closeAllConnections();
    },
  });
}

describe("the gateway as a cluster's entrance", { skip: clusterSkip(), timeout: 300_000 }, () => {
  let world: ClusterWorld;
  let front: Awaited<ReturnType<typeof startFront>>;

  before(async () => {
    const port = await freePort();
    front = await startFront(port, () => world.served.port);
    const probe = `{url: "http://127.0.0.1:${port}", timeout: 4s}`;
    world = await clusterWorld(`    ingress: {kind: gateway, probe: ${probe}}\n`);
  });
  after(async () => {
    front?.close();
    await world?.close();
  });

  const token = () => ({ authorization: `Bearer ${world.served.token}` });
  const host = (label: string): string => `${label}.localhost:${world.served.port}`;
  /** What a deploy says in one line. */
  async function pushed(files: Record<string, string>): Promise<string> {
    const { stderr } = await world.shop.push(files);
    return stderr.replaceAll(/\s+(remote: )?/g, " ");
  }

  test("each closed address is asked for once, as nobody; an open one is not", async () => {
    const said = await pushed({
      "web/main.js": webProgram("one"),
      "deployments/web.yaml": file("routes: [{subdomain: admin, port: 9000}]\n"),
      "deployments/open.yaml": file("access: {visibility: public}\n"),
      "docs/index.html": "read me",
      "deployments/docs.yaml": "apiVersion: waybill/v1\nkind: site\nsource: {path: docs}\n",
    });
    assert.match(said, /web ready/);
    const asked = front.seen.splice(0);
    assert.equal(asked.length, 3);
    assert.deepEqual(new Set(asked.map((each) => each.host)), new Set([host("admin"), host("docs"), host("web")]));
    assert.equal(asked[0]?.agent, "waybill-probe");
    assert.equal((await world.served.get("web", "/", token())).body, "one");
    // A change of access alone is in force before it is asked about: what was open is closed.
    assert.match(await pushed({ "deployments/open.yaml": file("access: {visibility: signed-in}\n") }), /open ready/);
    assert.deepEqual(
      front.seen.splice(0).map((each) => each.host),
      [host("open")],
    );
  });

  test("what lets nobody in fails the deploy, and nothing leads there until it is right", async () => {
    front.mode = "lets in";
    assert.match(
      await pushed({ "web/main.js": webProgram("two"), "docs/index.html": "read me again" }),
      /web failed: .*asked without an identity by .*the gateway answered 200, where a refusal by Waybill was wanted/,
    );
    for (const label of ["web", "docs"]) {
      const { status, body } = await world.served.get(label, "/", token());
      assert.equal(status, 503);
      assert.match(body, /where a refusal by Waybill was wanted/);
    }
    // Whoever has no right to it learns nothing of that.
    assert.equal((await world.served.get("web")).status, 401);
    assert.equal(await world.running("web"), 1);
    front.mode = "sends on";
    assert.match(await pushed({ "web/main.js": webProgram("three"), "docs/index.html": "again" }), /web ready/);
    assert.equal((await world.served.get("web", "/", token())).body, "three");
    assert.equal((await world.served.get("docs", "/", token())).body, "again");
  });

  test("what does not answer is asked again, and a deploy that nobody could answer for is tried again", async () => {
    front.mode = "is away";
    setTimeout(() => (front.mode = "sends on"), 2_000);
    assert.match(await pushed({ "web/main.js": webProgram("four") }), /web ready/);
    front.mode = "is away";
    assert.match(
      await pushed({ "web/main.js": webProgram("five") }),
      /web .*did not refuse as Waybill does within 4 s/,
    );
    // Tried again meanwhile, it is asked about before anything leads there.
    for (const endMs = performance.now() + 8_000; performance.now() < endMs; await sleep(100)) {
      assert.equal((await world.served.get("web", "/", token())).status, 503);
    }
    front.mode = "sends on";
    await until("it is tried again", async () => (await world.served.get("web", "/", token())).body === "five", 60_000);
  });
});
