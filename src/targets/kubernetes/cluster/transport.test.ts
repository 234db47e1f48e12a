import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { WaybillError } from "../../../core/errors.ts";
import { ClusterError } from "./cluster-error.ts";
import { openCluster, type Cluster } from "./cluster.ts";
import { makeInformer } from "./informer.ts";
import type { Change } from "./mirror.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const status =
  (code: number, body: object, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(code, headers).end(JSON.stringify({ kind: "Status", code, ...body }));
const json =
  (body: object): Answer =>
  (_, response) =>
    void response.end(JSON.stringify(body));
const cut: Answer = (request) => void request.socket.destroy();

const core = json({
  resources: [
    { name: "configmaps", kind: "ConfigMap", namespaced: true },
    { name: "configmaps/status", kind: "ConfigMap", namespaced: true },
  ],
});
const settings = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "shop" } };
const listOf = (version: string, ...names: readonly string[]) => ({
  metadata: { resourceVersion: version },
  items: names.map((name) => ({ metadata: { name, namespace: "shop", resourceVersion: `${version}-${name}` } })),
});
const event = (type: string, object: object): string => `${JSON.stringify({ type, object })}\n`;

/** A clock that sleeps for no time and notes for how long it was asked to. */
function makeClock() {
  const slept: number[] = [];
  let nowMs = 0;
  const clock = {
    now: () => new Date(nowMs),
    sleep: async (delayMs: number) => {
      slept.push(delayMs);
      nowMs += delayMs;
    },
  };
  return { clock, slept };
}

/** An API server that gives each answer once, in their order; discovery is always answered. */
async function startServer(answers: Answer[]) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    if (request.url === "/api/v1") return core(request, response);
    asked.push(`${request.method} ${request.url}`);
    return (answers.shift() ?? status(404, {}))(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const time = makeClock();
  const cluster: Cluster = await openCluster({
    kubeconfig: JSON.stringify({
      clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
      users: [{ name: "u", user: { token: "t0k3n" } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u", namespace: "shop" } }],
      "current-context": "x",
    }),
    clock: time.clock,
  });
  return {
    cluster,
    asked,
    slept: time.slept,
    async [Symbol.asyncDispose]() {
      cluster.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const { signal } = new AbortController();

test("an apply is a patch by the field manager, with its conflicts forced", async () => {
  await using world = await startServer([json(settings)]);
  assert.deepEqual(await world.cluster.apply(settings, { signal }), settings);
  assert.deepEqual(world.asked, [
    "PATCH /api/v1/namespaces/shop/configmaps/settings?fieldManager=waybill&force=true&fieldValidation=Strict",
  ]);
  assert.equal(world.cluster.namespace, "shop");
});

test("a call waits as long as it is told to, and longer each time when it is not told", async () => {
  const answers = [
    status(429, {}, { "retry-after": "3" }),
    status(503, {}),
    cut,
    status(500, { reason: "InternalError" }),
    status(504, {}),
    json(settings),
  ];
  await using world = await startServer(answers);
  await world.cluster.apply(settings, { signal });
  assert.equal(world.asked.length, 6);
  const [first = 0, ...others] = world.slept;
  assert.equal(first, 3_000);
  for (const [index, delayMs] of others.entries()) {
    const fullMs = 200 * 2 ** index;
    assert.ok(delayMs >= fullMs / 2 && delayMs <= fullMs, `delay ${index} was ${delayMs} ms`);
  }
});

test("a cluster that stays away is given up on after a minute", async () => {
  await using world = await startServer(Array.from({ length: 100 }, () => cut));
  await assert.rejects(world.cluster.get({ ...settings, ...settings.metadata }, signal), (error) => {
    assert.ok(error instanceof WaybillError);
    assert.equal(error.code, "CLUSTER_UNREACHABLE");
    assert.match(error.message, /^get ConfigMap shop\/settings: the API server at 127\.0\.0\.1:\d+ does not answer: /);
    return true;
  });
  const totalMs = world.slept.reduce((sum, each) => sum + each, 0);
  assert.ok(totalMs > 50_000 && totalMs <= 60_000, `${totalMs} ms`);
});

test("what the API server refuses is told as it says it, and is not asked again", async () => {
  const causes = [{ field: "spec.replicas", reason: "FieldValueInvalid", message: "must be positive" }];
  await using world = await startServer([
    status(422, { reason: "Invalid", message: "spec.replicas: must be positive", details: { causes } }),
    status(403, { reason: "Forbidden", message: 'User "bob" cannot patch resource "configmaps"' }),
    status(403, { details: { causes: [{ reason: "NamespaceTerminating" }] }, message: "namespace shop is going" }),
  ]);
  const refusal = async (): Promise<ClusterError> => {
    const error: unknown = await world.cluster.apply(settings, { signal }).catch((thrown: unknown) => thrown);
    assert.ok(error instanceof ClusterError);
    return error;
  };
  const invalid = await refusal();
  assert.equal(invalid.code, "CLUSTER_REFUSED");
  assert.equal(invalid.message, "apply ConfigMap shop/settings: spec.replicas: must be positive");
  assert.deepEqual(invalid.causes, causes);
  const forbidden = await refusal();
  assert.equal(forbidden.code, "CLUSTER_FORBIDDEN");
  assert.match(forbidden.message, /User "bob" cannot patch resource "configmaps"$/);
  assert.equal((await refusal()).code, "CLUSTER_CONFLICT");
  assert.deepEqual(world.slept, []);
});

test("a server error without a reason is the object's fault, once it was not passing", async () => {
  const answer = status(500, { message: ".spec.foo: field not declared in schema" });
  await using world = await startServer(Array.from({ length: 10 }, () => answer));
  await assert.rejects(world.cluster.apply(settings, { signal }), {
    code: "CLUSTER_REFUSED",
    message: "apply ConfigMap shop/settings: .spec.foo: field not declared in schema",
  });
  assert.equal(world.asked.length, 4);
});

test("an unknown kind is refused by its name, without a call for it", async () => {
  await using world = await startServer([]);
  await assert.rejects(world.cluster.list({ apiVersion: "v1", kind: "Widget" }, signal), {
    code: "KIND_UNKNOWN",
    message: /serves no kind "Widget" of v1/,
  });
  assert.deepEqual(world.asked, []);
});

test("a list is read to its end, page by page", async () => {
  const first = listOf("7", "a");
  await using world = await startServer([
    json({ ...first, metadata: { ...first.metadata, continue: "more" } }),
    json(listOf("7", "b")),
  ]);
  const { items, resourceVersion } = await world.cluster.list(settings, signal);
  assert.deepEqual(
    items.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ["ConfigMap a", "ConfigMap b"],
  );
  assert.equal(resourceVersion, "7");
  assert.match(world.asked[1] ?? "", /continue=more/);
});

test("a deletion says whether the object was there, is gone, or is going", async () => {
  await using world = await startServer([
    status(404, {}),
    status(200, {}),
    json(settings),
    status(409, { reason: "Conflict" }),
  ]);
  const remove = () => world.cluster.delete({ ...settings, ...settings.metadata }, { signal, uid: "u-1" });
  assert.deepEqual(
    [await remove(), await remove(), await remove(), await remove()],
    ["absent", "gone", "going", "absent"],
  );
});

test("an informer goes on where a watch was cut, and lists again when that is forgotten", async () => {
  const changes: string[] = [];
  const done = Promise.withResolvers<void>();
  const open: Answer = (_, response) => void response.write(" ".repeat(0));
  await using world = await startServer([
    json(listOf("10", "a", "b")),
    (request, response) => {
      response.write(event("ADDED", { metadata: { name: "c", namespace: "shop", resourceVersion: "11" } }));
      response.write(event("BOOKMARK", { metadata: { name: "", resourceVersion: "15" } }));
      setTimeout(() => request.socket.destroy(), 20);
    },
    (_, response) => {
      response.end(event("ERROR", { kind: "Status", code: 410, reason: "Expired", message: "too old" }));
    },
    json(listOf("20", "a", "c")),
    open,
  ]);
  const onChange = (change: Change): void => {
    changes.push(`${change.type} ${change.object.metadata.name}`);
    if (change.type === "removed") done.resolve();
  };
  const selection = { apiVersion: "v1", kind: "ConfigMap", namespace: "shop" };
  const informer = makeInformer(world.cluster, { ...selection, onChange });
  await informer.ready;
  await done.promise;
  assert.deepEqual(changes.slice(0, 4), ["set a", "set b", "set c", "removed b"]);
  assert.deepEqual(
    informer.all().map(({ metadata }) => metadata.name),
    ["a", "c"],
  );
  assert.equal(informer.get("a", "shop")?.metadata.resourceVersion, "20-a");
  await informer.close();
  const versions = world.asked.map((path) => new URLSearchParams(path.split("?")[1]).get("resourceVersion"));
  assert.deepEqual(versions.slice(0, 4), [null, "10", "15", null]);
});
