import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent, type AgentOptions } from "node:https";
import { createHash } from "node:crypto";
import type { KubeConfig } from "@kubernetes/client-node";
import type { Clock } from "../../../core/clock.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";

export interface ConnectionOptions {
  /** A path or a kubeconfig's text. Absent: KUBECONFIG, ~/.kube/config, or the pod's own service account. */
  readonly kubeconfig?: string;
  /** Absent: the kubeconfig's current one. */
  readonly context?: string;
}

/** What a request needs to be let in, renewed as it expires. */
export interface Connection {
  readonly server: URL;
  /** The context's own namespace. */
  readonly namespace: string | undefined;
  /** Headers and agent for a request now. Watches have sockets of their own, so that they never hold up a call. */
  access(use: Use): Promise<Access>;
  /** The API server did not accept what `access` last answered. */
  forget(): void;
  close(): void;
}

export type Use = "call" | "watch";
export interface Access {
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: HttpAgent;
}

// As many as keep an API server of one machine busy; more only wait in its queue instead of ours.
const maxCallSockets = 32;
// Tokens are asked for again this often; files and `exec` plugins say when theirs expire, and 401 ends one early.
const accessLifeMs = 60_000;

export async function openConnection(options: ConnectionOptions, clock: Clock): Promise<Connection> {
  const config = await loadConfig(options);
  const server = serverOf(config);
  const agents = makeAgents(server, config);
  let known: { readonly until: number; readonly access: Promise<Credentials> } | null = null;
  const credentials = (): Promise<Credentials> => {
    const nowMs = clock.now().getTime();
    if (known !== null && known.until > nowMs) return known.access;
    const access = credentialsOf(config);
    const mine = { until: nowMs + accessLifeMs, access };
    known = mine;
    access.catch(() => (known === mine ? (known = null) : null));
    return access;
  };
  return {
    server,
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? undefined,
    async access(use) {
      const { headers, tls } = await credentials();
      return { headers, agent: agents.get(use, tls) };
    },
    forget: () => (known = null),
    close: () => agents.close(),
  };
}

interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: AgentOptions;
}

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  const options: AgentOptions & { headers: Record<string, string>; auth?: string } = { headers: {} };
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    const where = `kubeconfig context "${config.getCurrentContext()}"`;
    throw new WaybillError("CLUSTER_UNREACHABLE", `${where}: no credentials: ${messageOf(error)}`, { cause: error });
  }
  const { headers, auth, ca, cert, key, rejectUnauthorized, servername } = options;
  const basic = auth === undefined ? {} : { Authorization: `Basic ${Buffer.from(auth).toString("base64")}` };
  const tls = { ca, cert, key, rejectUnauthorized, servername };
  return {
    headers: { ...basic, ...headers },
    tls: Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined)),
  };
}

function makeAgents(server: URL, config: KubeConfig) {
  const open = new Map<string, HttpAgent>();
  const proxyUrl = config.getCurrentCluster()?.proxyUrl;
  if (proxyUrl) {
    throw new WaybillError("SETTINGS_INVALID", `the kubeconfig's cluster has a proxy-url, which is not supported`);
  }
  return {
    get(use: Use, tls: AgentOptions): HttpAgent {
      const key = `${use} ${createHash("sha256").update(JSON.stringify(tls)).digest("base64")}`;
      const known = open.get(key);
      if (known) return known;
      const sockets = { keepAlive: true, noDelay: true, ...(use === "call" && { maxSockets: maxCallSockets }) };
      const agent = server.protocol === "http:" ? new HttpAgent(sockets) : new HttpsAgent({ ...sockets, ...tls });
      open.set(key, agent);
      return agent;
    },
    close(): void {
      for (const agent of open.values()) agent.destroy();
      open.clear();
    },
  };
}

function serverOf(config: KubeConfig): URL {
  const context = config.getCurrentContext();
  const server = config.getCurrentCluster()?.server;
  if (server === undefined || !URL.canParse(server)) {
    const known = config.getContexts().map(({ name }) => name);
    throw new WaybillError(
      "SETTINGS_INVALID",
      `kubeconfig: the context "${context}" names no cluster; it has ${known.join(", ") || "no context"}`,
    );
  }
  return new URL(server);
}

async function loadConfig({ kubeconfig, context }: ConnectionOptions): Promise<KubeConfig> {
  // Loading it takes most of a second and 70 MB: only a server with a cluster pays.
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else if (isText(kubeconfig)) config.loadFromString(kubeconfig);
    else config.loadFromFile(kubeconfig);
  } catch (error) {
    const where = kubeconfig === undefined ? "" : isText(kubeconfig) ? " (given as text)" : ` ${kubeconfig}`;
    const found = error instanceof Error && "code" in error ? String(error.code) : "it is not a kubeconfig";
    throw new WaybillError("SETTINGS_INVALID", `kubeconfig${where} cannot be read: ${found}`, { cause: error });
  }
  if (context !== undefined) config.setCurrentContext(context);
  return config;
}

const isText = (kubeconfig: string): boolean => kubeconfig.includes("\n") || kubeconfig.trimStart().startsWith("{");
