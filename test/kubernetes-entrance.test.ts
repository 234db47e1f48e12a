import assert from "node:assert/strict";
import { test } from "node:test";
import { program as environmentProgram } from "../templates/kubernetes/environment.ts";
import { program as serviceProgram } from "../templates/kubernetes/service.ts";
import type { Properties } from "../src/engine/provider.ts";
import type { IngressSettings } from "../src/spec/ingress-settings.ts";
import type { Place } from "../src/targets/kubernetes/place.ts";
import { podResources } from "../src/targets/kubernetes/sizes.ts";
import type { WorkloadOf } from "../templates/local/parts.ts";
import { makeRecordingProvider } from "./support/recording-provider.ts";
import { makeTestEngine, shop } from "./support/stacks.ts";
import { workloadOf } from "./support/workloads.ts";

// What is made for an entrance that the cluster has, field by field as its makers document it.

const shared = {
  annotations: { "example.org/team": "web" },
  serverUrl: "http://10.0.0.7:8080",
  from: { namespace: "ingress" },
  probe: { url: null, timeoutMs: 1_000 },
} as const;
const nginx: IngressSettings = { ...shared, kind: "ingress", controller: "nginx", className: "nginx" };
const parent = { name: "public", namespace: "gateways", sectionName: "https" };
const route = (controller: "envoy-gateway" | "traefik" | "external-auth"): IngressSettings => ({
  ...shared,
  kind: "gateway-api",
  controller,
  parent,
});

interface Made {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Record<string, string> };
  readonly spec: Properties;
}

const kinds = new Set(["Ingress", "Middleware", "HTTPRoute", "SecurityPolicy"]);

/** What was made to lead requests in, in its order. */
async function made(
  settings: IngressSettings,
  { more = "", place = {} }: { more?: string; place?: Partial<Place> } = {},
): Promise<Made[]> {
  const { provider, calls } = makeRecordingProvider();
  using harness = makeTestEngine({ providers: { kubernetes: provider, waybill: provider } });
  const workload = workloadOf(
    `kind: service\nsource: {image: "r/w@sha256:${"0".repeat(64)}"}\n${more}`,
  ) as WorkloadOf<"service">;
  const part: Place = {
    target: "cluster",
    server: "5e44e4",
    namespace: "shop--production",
    revision: "11111111",
    image: "r/w",
    resources: podResources(workload.spec.size, []),
    source: null,
    secrets: new Map(),
    replicas: 1,
    entrance: { settings, scheme: "https", domain: "apps.example.org" },
    ...place,
  };
  const names = Object.keys(workload.spec.components);
  const components = Object.fromEntries(names.map((component) => [component, { ...part, component }]));
  const whole = names.length === 0 ? part : { ...part, components };
  await harness.engine.up(shop, serviceProgram(workload, whole));
  const created = calls.flatMap(({ method, inputs }) => (method === "create" && inputs ? [inputs] : []));
  const [first] = created.flatMap((each, index) => (isDoor(each) ? [index] : []));
  // Whoever asks Waybill is answered by the route: it is there first.
  if (first !== undefined) assert.ok(created.findIndex((each) => "upstream" in each) < first);
  return created.filter(isDoor) as unknown as Made[];
}

const isDoor = (inputs: Properties): boolean => typeof inputs["kind"] === "string" && kinds.has(inputs["kind"]);

const specOf = (all: readonly Made[], kind?: string): Properties =>
  all.findLast((each) => kind === undefined || each.kind === kind)?.spec ?? {};

const named = (all: readonly Made[]): string[] => all.map(({ kind, metadata }) => `${kind} ${metadata.name}`);

test("ingress-nginx: two Ingresses for a host, of which one asks Waybill", async () => {
  const all = await made(nginx);
  assert.deepEqual(named(all), ["Ingress web--waybill", "Ingress web"]);
  const [own, main] = all;
  assert.deepEqual(own?.spec, {
    ingressClassName: "nginx",
    rules: [
      {
        host: "web.apps.example.org",
        http: {
          paths: [
            {
              path: "/.waybill",
              pathType: "ImplementationSpecific",
              backend: { service: { name: "waybill--server", port: { number: 8080 } } },
            },
          ],
        },
      },
    ],
  });
  assert.deepEqual(own?.metadata.annotations, { "example.org/team": "web", "pulumi.com/skipAwait": "true" });
  const { "nginx.ingress.kubernetes.io/auth-response-headers": headers = "", ...annotations } =
    main?.metadata.annotations ?? {};
  assert.deepEqual(annotations, {
    "example.org/team": "web",
    "pulumi.com/skipAwait": "true",
    "nginx.ingress.kubernetes.io/auth-url": "http://10.0.0.7:8080/.waybill/authorize/nginx/web",
    "nginx.ingress.kubernetes.io/auth-signin": "https://web.apps.example.org/.waybill/sign-in",
  });
  // Whatever is named here and is not in the answer is taken away from the visitor's headers.
  assert.match(
    headers,
    /^X-Waybill-User,X-Waybill-Role,X-Waybill-Groups,Authorization,Cookie,Remote-User,[A-Za-z,-]+$/,
  );
});

test("the settings' annotations are added and take no place of Waybill's", async () => {
  const [, main] = await made({
    ...nginx,
    annotations: { "nginx.ingress.kubernetes.io/auth-url": "http://else", "a/b": "c" },
  });
  assert.equal(
    main?.metadata.annotations?.["nginx.ingress.kubernetes.io/auth-url"],
    "http://10.0.0.7:8080/.waybill/authorize/nginx/web",
  );
  assert.equal(main?.metadata.annotations?.["a/b"], "c");
});

test("TLS by a Secret, by cert-manager, or by the controller's own certificate", async () => {
  const of = async (tls: { secretName?: string; issuer?: string; clusterIssuer?: string }) =>
    (await made({ ...nginx, tls })).map(({ spec, metadata: { annotations = {} } }) => [
      spec["tls"],
      Object.entries(annotations).filter(([name]) => name.startsWith("cert-manager")),
    ]);
  const hosts = ["web.apps.example.org"];
  const given = [{ hosts, secretName: "wild" }];
  assert.deepEqual(await of({ secretName: "wild" }), [
    [given, []],
    [given, []],
  ]);
  const issued = [{ hosts, secretName: "web-tls" }];
  assert.deepEqual(await of({ clusterIssuer: "le" }), [
    [issued, []],
    [issued, [["cert-manager.io/cluster-issuer", "le"]]],
  ]);
  assert.deepEqual((await of({ issuer: "mine" }))[1]?.[1], [["cert-manager.io/issuer", "mine"]]);
  assert.deepEqual(await of({}), [
    [[{ hosts }], []],
    [[{ hosts }], []],
  ]);
});

test("Traefik: the Middleware is there before the Ingress that names it", async () => {
  const all = await made({ ...shared, kind: "ingress", controller: "traefik" });
  assert.equal(named(all).at(-1), "Ingress web");
  assert.deepEqual(named(all).slice(0, 2).toSorted(), ["Ingress web--waybill", "Middleware web--authorize"]);
  const { forwardAuth } = specOf(all, "Middleware") as { forwardAuth: Properties };
  assert.equal(forwardAuth["address"], "http://10.0.0.7:8080/.waybill/authorize/traefik/web");
  assert.equal(forwardAuth["trustForwardHeader"], false);
  assert.deepEqual((forwardAuth["authResponseHeaders"] as string[]).slice(0, 5), [
    "X-Waybill-User",
    "X-Waybill-Role",
    "X-Waybill-Groups",
    "Authorization",
    "Cookie",
  ]);
  const variants = new RegExp((forwardAuth["authResponseHeadersRegex"] as string).replace("(?i)", ""), "i");
  for (const name of ["X_waybill_user", "X-Waybill-User", "X.waybill-Role"]) assert.match(name, variants);
  for (const name of ["X-Waybillet", "Y-X-Waybill"]) assert.doesNotMatch(name, variants);
  assert.deepEqual(all.at(-1)?.metadata.annotations, {
    "example.org/team": "web",
    "pulumi.com/skipAwait": "true",
    "traefik.ingress.kubernetes.io/router.middlewares": "shop--production-web--authorize@kubernetescrd",
  });
});

interface Rule {
  readonly filters: readonly Properties[];
  readonly backendRefs: unknown;
  readonly matches: unknown;
}

test("Gateway API: an HTTPRoute of the Gateway, guarded as its controller does it", async () => {
  const envoy = await made(route("envoy-gateway"));
  assert.deepEqual(named(envoy).toSorted(), [
    "HTTPRoute web",
    "HTTPRoute web--waybill",
    "SecurityPolicy web--authorize",
  ]);
  assert.equal(named(envoy).at(-1), "HTTPRoute web");
  const backend = { name: "waybill--server", port: 8080 };
  const handedOn = ["x-waybill-user", "x-waybill-role", "x-waybill-groups", "authorization", "cookie"];
  const policy = specOf(envoy, "SecurityPolicy");
  assert.deepEqual(policy["targetRefs"], [{ group: "gateway.networking.k8s.io", kind: "HTTPRoute", name: "web" }]);
  const { headersToExtAuth, ...extAuth } = policy["extAuth"] as Properties;
  assert.deepEqual(extAuth, {
    failOpen: false,
    http: { backendRefs: [backend], path: "/.waybill/authorize/envoy/web", headersToBackend: handedOn },
  });
  for (const name of ["cookie", "origin", "sec-fetch-site", "sec-websocket-key"]) {
    assert.ok((headersToExtAuth as string[]).includes(name), name);
  }
  const { rules, ...spec } = specOf(envoy);
  assert.deepEqual(spec, {
    parentRefs: [{ group: "gateway.networking.k8s.io", kind: "Gateway", ...parent }],
    hostnames: ["web.apps.example.org"],
  });
  const [rule] = rules as unknown as readonly Rule[];
  assert.deepEqual(rule?.backendRefs, [{ group: "", kind: "Service", weight: 1, name: "web", port: 8000 }]);
  assert.deepEqual(rule?.matches, [{ path: { type: "PathPrefix", value: "/" } }]);
  const { remove } = (rule?.filters[0] ?? {})["requestHeaderModifier"] as { remove: string[] };
  assert.ok(remove.length <= 16 && remove.includes("Remote-User"));

  const filtersOf = async (controller: "traefik" | "external-auth", serverUrl: string = shared.serverUrl) =>
    (specOf(await made({ ...route(controller), serverUrl }))["rules"] as unknown as readonly Rule[])[0]?.filters[1];
  assert.deepEqual(await filtersOf("traefik"), {
    type: "ExtensionRef",
    extensionRef: { group: "traefik.io", kind: "Middleware", name: "web--authorize" },
  });
  const filter = await filtersOf("external-auth", "http://waybill.system.svc.cluster.local");
  const { http, ...externalAuth } = (filter ?? {})["externalAuth"] as { http: Properties };
  assert.deepEqual(externalAuth, {
    protocol: "HTTP",
    backendRef: { name: "waybill", namespace: "system", port: 80 },
  });
  assert.equal(http["path"], "/.waybill/authorize/envoy/web");
  assert.deepEqual(http["allowedResponseHeaders"], handedOn);
});

test("each host name has its own, what may sleep is reached through Waybill, and what is withdrawn not at all", async () => {
  const more = "routes: [{subdomain: admin, port: 9000}]\n";
  const all = await made(nginx, { more });
  assert.deepEqual(named(all).toSorted(), [
    "Ingress admin",
    "Ingress admin--waybill",
    "Ingress web",
    "Ingress web--waybill",
  ]);
  const sleeper = await made(nginx, { more: "replicas: {min: 0, max: 1}\n" });
  assert.deepEqual(named(sleeper), ["Ingress web"]);
  assert.match(JSON.stringify(sleeper[0]?.spec), /waybill--server/);
  assert.deepEqual(sleeper[0]?.metadata.annotations, { "example.org/team": "web", "pulumi.com/skipAwait": "true" });
  assert.deepEqual(await made(nginx, { place: { withdrawn: "it is open" } }), []);
});

test("a route to another component leads to that one's Service", async () => {
  const image = `source: {image: "r/w@sha256:${"0".repeat(64)}"}`;
  const all = await made(nginx, {
    more: `components: {web: {${image}}, api: {${image}, port: 9000}}\nmain: web\nroutes: [{subdomain: api, component: api, port: 9000}]\n`,
  });
  const leading = all.filter(({ metadata }) => !metadata.name.endsWith("--waybill"));
  assert.match(
    JSON.stringify(leading.map(({ spec }) => spec)),
    /"name":"web","port":\{"number":8000\}.*"name":"web-11111111--api","port":\{"number":9000\}/,
  );
});

test("a route of gRPC says so, to whichever controller", async () => {
  const grpc = "routes: [{subdomain: calls, port: 9000, protocol: grpc}]\n";
  const annotation = "nginx.ingress.kubernetes.io/backend-protocol";
  const protocols = async (more: string) =>
    (await made(nginx, { more })).flatMap(({ metadata }) => {
      const protocol = metadata.annotations?.[annotation];
      return protocol === undefined ? [] : [`${metadata.name} ${protocol}`];
    });
  assert.deepEqual(await protocols(grpc), ["calls GRPC"]);
  assert.deepEqual(await protocols(""), []);
});

test("an environment has a Service that leads to Waybill, and admits the entrance", async () => {
  const place = {
    target: "cluster",
    server: "5e44e4",
    namespace: "shop--production",
    repository: "shop",
    environment: "production",
    quota: {},
    gateway: { cidrs: ["10.0.0.7/32"] },
    pullSecret: null,
  };
  const madeFor = async (serverUrl: string): Promise<Properties[]> => {
    const { provider, calls } = makeRecordingProvider();
    using harness = makeTestEngine({ providers: { kubernetes: provider } });
    const entrance = { from: { namespace: "ingress-nginx" }, serverUrl };
    await harness.engine.up(shop, environmentProgram({ ...place, entrance }));
    return calls.flatMap(({ inputs }) => (inputs ? [inputs] : []));
  };
  const byAddress = await madeFor("http://10.0.0.7:8080");
  const of = (all: readonly Properties[], kind: string) => all.filter((each) => each["kind"] === kind).at(-1);
  const ports = [{ name: "http", port: 8080, targetPort: 8080, protocol: "TCP" }];
  assert.deepEqual(of(byAddress, "Service")?.["spec"], { ports });
  const slice = of(byAddress, "EndpointSlice") as unknown as { endpoints: unknown; metadata: { labels: Properties } };
  assert.deepEqual(slice.endpoints, [{ addresses: ["10.0.0.7"], conditions: { ready: true } }]);
  assert.equal(slice.metadata.labels["kubernetes.io/service-name"], "waybill--server");
  assert.deepEqual(JSON.parse(JSON.stringify(of(byAddress, "NetworkPolicy")?.["spec"])), {
    podSelector: {},
    policyTypes: ["Ingress"],
    ingress: [
      {
        from: [
          { podSelector: {} },
          { ipBlock: { cidr: "10.0.0.7/32" } },
          { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "ingress-nginx" } } },
        ],
      },
    ],
  });
  const byName = await madeFor("http://waybill.waybill.svc");
  assert.deepEqual(of(byName, "Service")?.["spec"], {
    type: "ExternalName",
    externalName: "waybill.waybill.svc",
    ports: [{ name: "http", port: 80, targetPort: 80, protocol: "TCP" }],
  });
  assert.equal(of(byName, "EndpointSlice"), undefined);
});
