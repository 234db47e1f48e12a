import type { Finding } from "./problem.ts";
import type { Drafted } from "./rules/draft.ts";
import { parseDuration } from "./rules/quantities.ts";

interface Shared {
  /** On each object that leads requests in. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Where the entrance reaches this server: `http://HOST` or `http://HOST:PORT`. */
  readonly serverUrl: string;
  /** Whence the entrance's requests reach pods. */
  readonly from: { readonly namespace: string } | { readonly cidrs: readonly string[] };
  readonly probe: ProbeSettings;
}

/** How an entrance is asked after a deploy whether it lets nobody in. */
export interface ProbeSettings {
  /** Null: the deployment's own address; of the server's gateway, that of the gateway beside it. */
  readonly url: string | null;
  readonly timeoutMs: number;
}

/** An entrance that the cluster has, which asks this server about each request. */
export type IngressSettings =
  | (Shared & {
      readonly kind: "ingress";
      readonly controller: "nginx" | "traefik";
      readonly className?: string;
      /** Absent: requests come without TLS. */
      readonly tls?: { readonly secretName?: string; readonly issuer?: string; readonly clusterIssuer?: string };
    })
  | (Shared & {
      readonly kind: "gateway-api";
      readonly controller: "envoy-gateway" | "traefik" | "external-auth";
      readonly parent: { readonly name: string; readonly namespace: string; readonly sectionName?: string };
    });

/** As the settings file has it. */
export interface WrittenIngress {
  readonly kind: "gateway" | "ingress" | "gateway-api";
  readonly controller?: string;
  readonly className?: string;
  readonly parent?: Extract<IngressSettings, { kind: "gateway-api" }>["parent"];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly tls?: Extract<IngressSettings, { kind: "ingress" }>["tls"];
  readonly serverUrl?: string;
  readonly from?: { readonly namespace?: string; readonly cidrs?: readonly string[] };
  readonly probe?: { readonly url?: string; readonly timeout?: string };
}

const controllers = {
  ingress: ["nginx", "traefik"],
  "gateway-api": ["envoy-gateway", "traefik", "external-auth"],
} as const;
const foreign = { ingress: ["parent"], "gateway-api": ["className", "tls"] } as const;
const needed = { ingress: ["controller", "from"], "gateway-api": ["controller", "parent", "from"] } as const;
const plainUrl = /^http:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?\/?$/;
const reachable = /^(?:\d+(?:\.\d+){3}|[a-z0-9-]+\.[a-z0-9-]+\.svc(?:\..+)?)$/;
const defaultProbeTimeoutMs = 60_000;

type Drafting = Drafted<WrittenIngress>;

/** What the schema cannot say of a target's `ingress`. */
export function ingressProblems(
  target: string,
  written: Drafting | undefined,
  sourceUrl: string | undefined,
): readonly Finding[] {
  const path = ["targets", target, "ingress"];
  if (written?.kind === undefined) return [];
  const own =
    written.kind === "gateway" ? gatewayProblems(written) : entranceProblems(written, written.kind, sourceUrl);
  const found = [...own, ...probeProblems(written)];
  return found.map(({ path: within, ...finding }) => ({ ...finding, path: [...path, ...within] }));
}

const gatewayProblems = (written: Drafting): Finding[] =>
  Object.keys(written)
    .filter((name) => name !== "kind" && name !== "probe")
    .map((name) => foreignTo("gateway", name));

const foreignTo = (kind: string, name: string): Finding => ({
  path: [name],
  at: "key",
  code: "FIELD_NOT_FOR_KIND",
  message: `${name} is not for kind ${kind}: remove it, or change kind`,
});

const missing = (message: string): Finding => ({ path: [], at: "value", code: "FIELD_MISSING", message });
const wrong = (name: string, message: string): Finding => ({ path: [name], at: "value", code: "FIELD_VALUE", message });

type EntranceKind = IngressSettings["kind"];

function entranceProblems(written: Drafting, kind: EntranceKind, sourceUrl: string | undefined): Finding[] {
  const { controller } = written;
  const known: readonly string[] = controllers[kind];
  const isKnown = controller === undefined || known.includes(controller);
  return [
    ...needed[kind].filter((name) => written[name] === undefined).map((name) => missing(`ingress needs ${name}`)),
    ...foreign[kind].filter((name) => written[name] !== undefined).map((name) => foreignTo(kind, name)),
    ...(isKnown
      ? []
      : [wrong("controller", `controller "${controller}" is not for kind ${kind}, which takes ${known.join(", ")}`)]),
    ...oneOf("tls", written.tls, "secretName, issuer, clusterIssuer"),
    ...oneOf("from", written.from, "namespace, cidrs"),
    ...addressProblems(written.serverUrl, kind, sourceUrl),
  ];
}

const probeProblems = ({ probe }: Drafting): Finding[] =>
  probe?.url === undefined || URL.canParse(probe.url) ? [] : [wrong("probe", `${probe.url} is no address`)];

const oneOf = (name: string, value: object | undefined, choice: string): Finding[] =>
  Object.keys(value ?? {}).length < 2
    ? []
    : [{ path: [name], at: "key", code: "FIELD_CONFLICT", message: `${name} takes one of ${choice}` }];

function addressProblems(serverUrl: string | undefined, kind: EntranceKind, sourceUrl = ""): Finding[] {
  const url = serverUrl ?? sourceUrl;
  if (serverUrl === undefined && !plainUrl.test(sourceUrl)) {
    const why = sourceUrl === "" ? "there is no sourceUrl" : "sourceUrl has TLS or a path";
    return [missing(`ingress needs serverUrl, such as http://waybill.waybill.svc:8080: ${why}`)];
  }
  if (!URL.canParse(url)) return [wrong("serverUrl", `${url} is no address`)];
  const { hostname } = new URL(url);
  if (kind === "ingress" || reachable.test(hostname)) return [];
  const message = `an HTTPRoute leads to ${hostname} neither as a Service (NAME.NAMESPACE.svc) nor as an IPv4 address`;
  return [serverUrl === undefined ? { ...missing(message), code: "FIELD_VALUE" } : wrong("serverUrl", message)];
}

/** Undefined where the server's own gateway is the entrance. Of settings without problems. */
export function completeIngress(
  written: WrittenIngress | undefined,
  sourceUrl: string | undefined,
): IngressSettings | undefined {
  if (written === undefined || written.kind === "gateway") return undefined;
  const { kind, controller, className, parent, annotations = {}, tls, serverUrl = sourceUrl ?? "", from } = written;
  const shared: Shared = {
    annotations,
    serverUrl: serverUrl.replace(/\/$/, ""),
    from: from?.namespace === undefined ? { cidrs: from?.cidrs ?? [] } : { namespace: from.namespace },
    probe: completeProbe(written),
  };
  if (kind === "ingress") {
    const own = { ...(className !== undefined && { className }), ...(tls && { tls }) };
    return { ...shared, kind, controller: controller === "traefik" ? "traefik" : "nginx", ...own };
  }
  const known = controllers["gateway-api"].find((one) => one === controller) ?? "external-auth";
  return { ...shared, kind, controller: known, parent: parent ?? { name: "", namespace: "" } };
}

/** Of settings without problems; of a target that says nothing of it, the defaults. */
export const completeProbe = ({ probe }: Pick<WrittenIngress, "probe"> = {}): ProbeSettings => ({
  url: probe?.url?.replace(/\/$/, "") ?? null,
  timeoutMs: timeoutOf(probe?.timeout),
});

const timeoutOf = (text: string | undefined): number =>
  text === undefined ? defaultProbeTimeoutMs : (parseDuration(text) ?? 0) * 1_000;
