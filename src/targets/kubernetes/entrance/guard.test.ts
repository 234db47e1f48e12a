import assert from "node:assert/strict";
import { Agent, createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import { systemClock } from "../../../core/clock.ts";
import type { KubernetesTargetSettings } from "../../../spec/server-settings.ts";
import { workloadOf } from "../../../../test/support/workloads.ts";
import { guardOf, openingOf } from "./guard.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

interface Seen {
  readonly host: string | undefined;
  readonly path: string | undefined;
  readonly credentials: readonly unknown[];
  readonly port: number | undefined;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const signIn: Answer = (_, response) =>
  void response.writeHead(302, { location: "http://apps.example.org/sign-in?return=x&state=y" }).end("sign in");

/** What takes requests in where the gateway is the entrance. */
async function startGateway(answer: Answer) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const { host, authorization, cookie } = request.headers;
    seen.push({ host, path: request.url, credentials: [authorization, cookie], port: request.socket.remotePort });
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const agent = new Agent({ keepAlive: true, timeout: 2_000 });
  closing.push(() => {
    agent.destroy();
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const check = (file: string, settings: Pick<KubernetesTargetSettings, "ingress" | "probe"> = {}) =>
    guardOf(
      { settings, scheme: "http", host: "apps.example.org", ownGateway: { url, agent }, clock: systemClock },
      workloadOf(file),
    )?.(new AbortController().signal) ?? null;
  return { seen, url, check };
}

const service = `kind: service\nsource: {image: "r/w@sha256:${"0".repeat(64)}"}\n`;

test("where the gateway is the entrance, each closed address is asked for as nobody, over one connection", async () => {
  const { seen, check } = await startGateway(signIn);
  const file = `${service}access: {visibility: signed-in, public: ["/*"]}\nroutes: [{subdomain: open, port: 9000, access: {visibility: public}}]\n`;
  await check(file);
  await check(file);
  assert.deepEqual(
    seen.map(({ host, path, credentials }) => [host, path, credentials]),
    ["/;", "/;"].map((path) => ["web.apps.example.org", path, [undefined, undefined]]),
  );
  assert.equal(seen[0]?.port, seen[1]?.port);
  await check("kind: site\nsource: {path: site}\n");
  assert.equal(seen.length, 3);
});

test("what is open to all or does not run is not asked for, nor anything without a gateway", async () => {
  const { seen, check } = await startGateway(signIn);
  for (const more of ["access: {visibility: public}\n", "state: paused\n"]) assert.equal(check(service + more), null);
  assert.equal(check("kind: worker\ncommand: node a.js\n"), null);
  const parts = { settings: {}, scheme: "http", host: "apps.example.org", clock: systemClock } as const;
  assert.equal(guardOf(parts, workloadOf(service)), null);
  assert.deepEqual(seen, []);
});

test("a gateway that lets nobody in is told of at once", async () => {
  const { url, check } = await startGateway((_, response) => void response.end("welcome"));
  await assert.rejects(check(service) ?? Promise.resolve(), {
    code: "ENTRANCE_OPEN",
    message:
      `http://web.apps.example.org/: asked without an identity by ${url}, the gateway answered 200, where a refusal by ` +
      "Waybill was wanted. Nothing leads there until the next deploy. What answers there lets everybody in, or is not " +
      "Waybill's gateway: an administrator looks at what listens there, and at ingress.probe in the server's settings",
  });
});

test("a gateway that is just being replaced is waited for; a refusal that is not Waybill's is none", async () => {
  const answers: Answer[] = [
    (request) => void request.socket.destroy(),
    (_, response) => void response.writeHead(503).end(),
    signIn,
  ];
  const replaced = await startGateway((request, response) => answers.shift()?.(request, response));
  await replaced.check(service);
  assert.equal(replaced.seen.length, 3);

  const other = await startGateway(
    (_, response) => void response.writeHead(401, { "www-authenticate": "Basic" }).end(),
  );
  const { probe } = { probe: { url: other.url, timeoutMs: 300 } };
  await assert.rejects(replaced.check(service, { probe }) ?? Promise.resolve(), {
    code: "ENTRANCE_SILENT",
    message:
      /by http:\/\/127\.0\.0\.1:\d+, the gateway answered 401, and did not refuse as Waybill does within 0 s. Nothing leads there until that is so/,
    retryAfterMs: undefined,
  });
});

/** What one of the cluster's own does, of which each answer is taken. */
async function startController(...answers: Answer[]) {
  const asked: (string | string[] | undefined)[] = [];
  const entrance = await startGateway((request, response) => {
    asked.push(request.headers["x-waybill-probe"]);
    (answers.length > 1 ? answers.shift() : answers[0])?.(request, response);
  });
  const ingress = { kind: "ingress", controller: "nginx", probe: { url: entrance.url, timeoutMs: 1_000 } };
  const settings = { ingress } as unknown as Pick<KubernetesTargetSettings, "ingress">;
  const parts = { settings, scheme: "http", host: "apps.example.org", clock: systemClock } as const;
  const opening = (file: string) => openingOf(parts, workloadOf(file))?.(new AbortController().signal) ?? null;
  return { asked, seen: entrance.seen, opening };
}

const byGateway: Answer = signIn;
const notFound: Answer = (_, response) => void response.writeHead(404).end();
const refused: Answer = (_, response) => void response.writeHead(403, { "x-waybill-refusal": "web" }).end();

test("an address for everybody is waited for where a controller is to take it up", async () => {
  const { asked, seen, opening } = await startController(byGateway, notFound, refused);
  await opening(
    `${service}access: {visibility: public}\nroutes: [{subdomain: closed, port: 9000, access: {visibility: signed-in}}]\n`,
  );
  assert.deepEqual(asked, ["1", "1", "1"]);
  assert.deepEqual(new Set(seen.map(({ host }) => host)), new Set(["web.apps.example.org"]));
  assert.equal(opening(service), null);
});

test("an address for everybody that a controller serves without asking, or not in time, is let be", async () => {
  const served = await startController((_, response) => void response.end("hello"));
  await served.opening(`${service}access: {visibility: public}\n`);
  assert.equal(served.seen.length, 1);
  const never = await startController(notFound);
  await never.opening(`${service}access: {visibility: public}\n`);
  assert.ok(never.seen.length > 2);
});
