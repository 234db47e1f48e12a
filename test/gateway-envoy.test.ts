import assert from "node:assert/strict";
import { createServer, request, type RequestListener, type Server } from "node:http";
import { connect, createServer as createHttp2Server, type IncomingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { program as serviceProgram } from "../templates/kubernetes/service.ts";
import type { WorkloadOf } from "../templates/local/parts.ts";
import { mintSecret } from "../src/access/proof/token.ts";
import { systemClock } from "../src/core/clock.ts";
import { guardOf } from "../src/targets/kubernetes/entrance/guard.ts";
import type { IngressSettings } from "../src/spec/ingress-settings.ts";
import { podResources } from "../src/targets/kubernetes/sizes.ts";
import { envoySkip, startEnvoy, type EntranceObject, type EnvoyEntrance } from "./support/envoy.ts";
import {
  bootstrap,
  openAnswer,
  signedIn,
  startGateway,
  type Answer,
  type GatewayUnderTest,
} from "./support/gateway.ts";
import { makeRecordingProvider } from "./support/recording-provider.ts";
import { makeTestEngine, shop } from "./support/stacks.ts";
import { workloadOf } from "./support/workloads.ts";

// A real Envoy, set up from the HTTPRoutes and SecurityPolicies that Waybill makes, asks a real gateway about each request.

const token = { authorization: `Bearer ${bootstrap}` };
const browser = { accept: "text/html", "sec-fetch-mode": "navigate" };
const settings: IngressSettings = {
  kind: "gateway-api",
  controller: "envoy-gateway",
  parent: { name: "public", namespace: "gateways" },
  annotations: {},
  serverUrl: "http://10.0.0.7:8080",
  from: { namespace: "ingress" },
  probe: { url: null, timeoutMs: 5_000 },
};
const workload = workloadOf(
  `kind: service\nsource: {image: "r/w@sha256:${"0".repeat(64)}"}\nroutes: [{subdomain: calls, port: 9000, protocol: grpc}]\n`,
) as WorkloadOf<"service">;

/** What is made for it in a cluster. */
async function madeObjects(): Promise<readonly EntranceObject[]> {
  const { provider, calls } = makeRecordingProvider();
  using harness = makeTestEngine({ providers: { kubernetes: provider, waybill: provider } });
  const place = {
    target: "cluster",
    server: "5e44e4",
    namespace: "shop--production",
    revision: "11111111",
    image: "r/w",
    resources: podResources(workload.spec.size, []),
    source: null,
    secrets: new Map(),
    replicas: 1,
    entrance: { settings, scheme: "http", domain: "localhost" },
  } as const;
  await harness.engine.up(shop, serviceProgram(workload, place));
  return calls.flatMap(({ method, inputs }) =>
    method === "create" && inputs ? [inputs as unknown as EntranceObject] : [],
  );
}

/** A program that says what it was sent, and echoes a WebSocket's bytes. */
function makeWeb(): Server {
  const answer: RequestListener = (incoming, response) =>
    response.end(JSON.stringify({ ...incoming.headers, ":path": incoming.url }));
  return createServer(answer).on("upgrade", (incoming, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-User: ${String(incoming.headers["x-waybill-user"])}\r\n\r\n`,
    );
    socket.pipe(socket);
  });
}

/** Of gRPC what is on the wire: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. Echoes each message. */
function makeCalls() {
  return createHttp2Server().on("stream", (stream, headers) => {
    const told = { "x-user": String(headers["x-waybill-user"]), "x-authorization": String(headers["authorization"]) };
    stream.respond({ ":status": 200, "content-type": "application/grpc", ...told }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.pipe(stream);
  });
}

const message = (content: string): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(content), 1);
  return Buffer.concat([head, Buffer.from(content)]);
};

describe("behind Envoy", { skip: envoySkip, timeout: 120_000 }, () => {
  let gateway: GatewayUnderTest;
  let envoy: EnvoyEntrance;
  const [web, calls] = [makeWeb(), makeCalls()];

  before(async () => {
    gateway = await startGateway();
    for (const server of [web, calls]) {
      await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", () => resolve()));
    }
    const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
    envoy = await startEnvoy({
      objects: await madeObjects(),
      backends: {
        "web:8000": { port: portOf(web), isHttp2: false },
        "web:9000": { port: portOf(calls), isHttp2: true },
        "waybill--server:8080": { port: gateway.port, isHttp2: false },
      },
    });
    await gateway.route({ host: "web", access: { ...signedIn, public: ["/open/*"] } });
    await gateway.route({ host: "calls", access: signedIn });
  });
  after(async () => {
    await envoy?.[Symbol.asyncDispose]();
    await gateway?.[Symbol.asyncDispose]();
    web.closeAllConnections();
    for (const server of [web, calls]) server.close();
  });

  const hostOf = (label: string): string => `${label}.localhost:${gateway.port}`;
  async function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
    const answer = await openAnswer(envoy.port, { host: hostOf("web"), path, method, headers });
    const { statusCode = 0, rawHeaders } = answer;
    return { status: statusCode, headers: answer.headers, rawHeaders, body: await text(answer) };
  }
  const seenBy = async (path: string, headers: Record<string, string> = {}): Promise<IncomingHttpHeaders> => {
    const { status, body } = await ask(path, headers);
    assert.equal(status, 200, body);
    return JSON.parse(body) as IncomingHttpHeaders;
  };
  async function sessionCookie(label: string): Promise<string> {
    const [parent, own] = [mintSecret(), mintSecret()];
    const until = new Date(Date.now() + 60_000);
    const life = { expiresAt: until, endsAt: until };
    await gateway.store.addUser({ name: "ada", role: "viewer", groups: [] }).catch(() => undefined);
    await gateway.store.addSession({ hash: parent.hash, subject: { kind: "user", name: "ada" }, ...life });
    await gateway.store.addHostSession({ hash: own.hash, host: label, parent: parent.hash }, new Date(), until);
    return `${gateway.access.cookies.session}=${own.secret.reveal()}`;
  }

  test("nobody is refused, a browser is led to sign in, and the probe counts it", async () => {
    assert.equal((await ask("/")).status, 401);
    const page = await ask("/a?b=c", browser);
    assert.equal(page.status, 302);
    const to = new URL(String(page.headers.location));
    assert.deepEqual([to.pathname, to.searchParams.get("return")], ["/sign-in", `http://${hostOf("web")}/a?b=c`]);
    assert.equal(page.headers["set-cookie"]?.length, 1);
    const probe = { ...settings.probe, url: `http://127.0.0.1:${envoy.port}` };
    const check = guardOf(
      { settings: { ingress: { ...settings, probe } }, scheme: "http", host: "localhost", clock: systemClock },
      workload,
    );
    await check?.(AbortSignal.timeout(20_000));
    assert.equal((await ask("/open/a", { "x-waybill-probe": "1" })).status, 401);
  });

  test("who may pass is named to the program, by nobody but Waybill", async () => {
    const forged = { "x-waybill-user": "root", "x-waybill-groups": "ops", "remote-user": "root" };
    const known = await seenBy("/", { ...forged, ...token, cookie: "theme=dark" });
    assert.deepEqual(
      [known["x-waybill-user"], known["x-waybill-role"], known["x-waybill-groups"]],
      ["bootstrap", "admin", ""],
    );
    assert.deepEqual(
      [known["remote-user"], known["cookie"], known["authorization"] || null],
      [undefined, "theme=dark", null],
    );
    const nobody = await seenBy("/open/a", forged);
    assert.deepEqual(
      [nobody["x-waybill-user"], nobody["x-waybill-groups"], nobody["remote-user"]],
      ["", "", undefined],
    );
    assert.equal((await ask("/open/a", { x_waybill_user: "root" })).status, 400);
    const basic = await seenBy("/open/a", { authorization: "Basic YTpi" });
    assert.equal(basic["authorization"], "Basic YTpi");
  });

  test("no other writing of an address gets in by what is public", async () => {
    const ways = ["/open/../secret", "/open/%2e%2e/secret", "/open/..%2fsecret", "/OPEN/a", "/open", "/open/a/../../b"];
    for (const path of [...ways, "/.waybillet"]) {
      assert.notEqual((await ask(path)).status, 200, path);
    }
    // Waybill's own answer to a question, and not the program's.
    assert.equal((await ask("/.waybill/authorize/envoy/web/open/a")).body, "");
    // What Envoy makes of an address is what it asks about and what it sends on.
    for (const path of ["/open//../secret", "//open/a", "/open/./a"]) {
      assert.match(String((await seenBy(path))[":path"]), /^\/open\/[a-z]+$/, path);
    }
  });

  test("who is known and not one of its viewers is refused, as soon as its rule says so", async () => {
    await gateway.route({ host: "web", access: { visibility: "viewers", viewers: ["grace"], public: [] } });
    const cookie = await sessionCookie("web");
    assert.equal((await ask("/", { cookie })).status, 403);
    await gateway.route({ host: "web", access: { visibility: "viewers", viewers: ["ada"], public: [] } });
    const seen = await seenBy("/", { cookie });
    assert.deepEqual([seen["x-waybill-user"], seen["cookie"] || null], ["ada", null]);
    const elsewhere = { cookie, origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    assert.notEqual((await ask("/", elsewhere, "POST")).status, 200);
    await gateway.route({ host: "web", access: { ...signedIn, public: ["/open/*"] } });
  });

  test("a WebSocket is opened for who may, and not by another site's page", async () => {
    const handshake = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    const open = (headers: Record<string, string>): Promise<string> =>
      new Promise((resolve, reject) => {
        const own = { host: hostOf("web"), ...handshake, ...headers };
        const outgoing = request({ host: "127.0.0.1", port: envoy.port, headers: own, agent: false });
        outgoing.once("error", reject);
        outgoing.once("response", (answer) => {
          answer.resume();
          resolve(String(answer.statusCode));
        });
        outgoing.once("upgrade", (answer, socket) => {
          socket.once("data", (chunk: Buffer) => {
            socket.destroy();
            resolve(`${String(answer.headers["x-user"])}: ${chunk.toString()}`);
          });
          socket.write("hello");
        });
        outgoing.end();
      });
    assert.equal(await open({}), "401");
    const cookie = await sessionCookie("web");
    assert.notEqual(
      await open({ cookie, origin: "https://evil.example", "sec-fetch-site": "cross-site" }),
      "ada: hello",
    );
    assert.equal(
      await open({ cookie, origin: `http://${hostOf("web")}`, "sec-fetch-site": "same-origin" }),
      "ada: hello",
    );
    assert.equal(await open(token), "bootstrap: hello");
  });

  /** One call with two messages, the second after the first was answered. */
  function call(headers: Record<string, string>): Promise<Record<string, unknown>> {
    return new Promise((resolve, reject) => {
      const session = connect(`http://127.0.0.1:${envoy.port}`);
      session.once("error", reject);
      const stream = session.request({
        ":method": "POST",
        ":path": "/shop.Ranker/Rank",
        ":authority": hostOf("calls"),
        "content-type": "application/grpc",
        te: "trailers",
        ...headers,
      });
      const said: Record<string, unknown> = {};
      const echoed: Buffer[] = [];
      stream.once("error", reject);
      stream.once("response", (head) => Object.assign(said, { status: head[":status"], ...head }));
      stream.once("trailers", (trailers) => Object.assign(said, trailers));
      stream.on("data", (chunk: Buffer) => {
        echoed.push(chunk);
        if (echoed.length === 1) stream.end(message("two"));
      });
      stream.once("close", () => {
        session.close();
        resolve({ ...said, echoed: Buffer.concat(echoed).toString("latin1") });
      });
      stream.write(message("one"));
    });
  }

  test("gRPC passes for who has a token, both ways at once; others are told in its own words", async () => {
    const known = await call(token);
    assert.equal(known["grpc-status"], "0");
    assert.equal(known["echoed"], Buffer.concat([message("one"), message("two")]).toString("latin1"));
    assert.deepEqual([known["x-user"], known["x-authorization"]], ["bootstrap", ""]);
    const nobody = await call({});
    // UNAUTHENTICATED (https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
    assert.deepEqual([nobody["grpc-status"], nobody["echoed"]], ["16", ""]);
    await gateway.route({ host: "calls", access: { visibility: "viewers", viewers: ["grace"], public: [] } });
    const cookie = await sessionCookie("calls");
    const other = await call({ cookie });
    assert.notEqual(other["grpc-status"], "0");
    assert.equal(other["echoed"], "");
  });

  test("while no gateway answers, nobody passes", async () => {
    await gateway.handle.stop();
    for (const path of ["/", "/open/a"]) assert.ok((await ask(path, token)).status >= 403, path);
    assert.notEqual((await call(token))["grpc-status"], "0");
  });
});
