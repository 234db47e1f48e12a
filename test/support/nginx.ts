import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../src/targets/kubernetes/cluster/cluster.ts";
import type { KubeObject } from "../../src/targets/kubernetes/cluster/object.ts";
import { patience } from "./cluster.ts";
import { renderNginx, type Site } from "./nginx-config.ts";

const candidates = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];

/** The nginx of this machine; null without one. */
export const nginxPath: string | null = candidates.find((path) => existsSync(path)) ?? null;

/**
 * A stand-in for ingress-nginx: a real nginx, its configuration made from the Ingress objects and EndpointSlices that
 * are in the cluster, in the way that ingress-nginx documents for the annotations that Waybill uses, and no others.
 */
export interface NginxEntrance {
  readonly port: number;
  /** Does not do what the annotations ask, as another controller would. */
  ignoreAnnotations(isIgnoring: boolean): void;
  /** Takes nothing up for this long. */
  standStill(forMs: number): void;
  /** How often a configuration was taken up. */
  reloads(): number;
  close(): Promise<void>;
}

interface Options {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly className: string;
  readonly port: number;
  /** Where hosts go that no Ingress names: what an Ingress for a wildcard would do. */
  readonly wildcard: { readonly port: number };
}

const lookMs = 200;

export async function startNginx({ cluster, namespace, className, port, wildcard }: Options): Promise<NginxEntrance> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-nginx-"));
  const file = join(folder, "nginx.conf");
  let isIgnoring = false;
  let reloads = 0;
  let stillUntilMs = 0;
  let current = "";

  async function render(): Promise<string> {
    const ingresses = await list(cluster, { apiVersion: "networking.k8s.io/v1", kind: "Ingress", namespace });
    const slices = await list(cluster, { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", namespace });
    const sites = ingresses.flatMap((ingress) => sitesOf(ingress, { className, slices, isIgnoring }));
    return renderNginx({ folder, port, wildcardPort: wildcard.port, sites });
  }

  current = await render();
  await writeFile(file, current);
  const child = spawn(nginxPath ?? "nginx", ["-p", folder, "-c", file, "-e", join(folder, "error.log")], {
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  const stop = new AbortController();
  const watching = watch();

  async function watch(): Promise<void> {
    while (!stop.signal.aborted) {
      await sleep(lookMs, undefined, { signal: stop.signal }).catch(() => undefined);
      const isStill = stop.signal.aborted || performance.now() < stillUntilMs;
      const wanted = isStill ? current : await render().catch(() => current);
      if (wanted === current) continue;
      current = wanted;
      await writeFile(file, wanted);
      child.kill("SIGHUP");
      reloads += 1;
    }
  }

  return {
    port,
    ignoreAnnotations(value) {
      isIgnoring = value;
    },
    standStill(forMs) {
      stillUntilMs = performance.now() + forMs;
    },
    reloads: () => reloads,
    async close() {
      stop.abort();
      await watching;
      child.kill("SIGTERM");
      await ended;
      const log = await readFile(join(folder, "error.log"), "utf8").catch(() => "");
      await rm(folder, { recursive: true, force: true });
      if (/\[emerg\]/.test(log)) throw new Error(`nginx: ${log}`);
    },
  };
}

type Selection = Parameters<Cluster["list"]>[0];

async function list(cluster: Cluster, selection: Selection): Promise<readonly KubeObject[]> {
  return (await cluster.list(selection, patience())).items.filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  );
}

interface IngressSpec {
  readonly ingressClassName?: string;
  readonly rules: readonly {
    readonly host: string;
    readonly http: {
      readonly paths: readonly {
        readonly path: string;
        readonly backend: { readonly service: { readonly name: string; readonly port: { readonly number: number } } };
      }[];
    };
  }[];
}

interface Slice {
  readonly endpoints?: readonly { readonly addresses: readonly string[]; readonly conditions?: { ready?: boolean } }[];
  readonly ports?: readonly { readonly port: number }[];
}

function sitesOf(
  ingress: KubeObject,
  { className, slices, isIgnoring }: { className: string; slices: readonly KubeObject[]; isIgnoring: boolean },
): Site[] {
  const { ingressClassName, rules } = ingress["spec"] as IngressSpec;
  if (ingressClassName !== className) return [];
  const annotations = isIgnoring ? {} : (ingress.metadata.annotations ?? {});
  return rules.flatMap(({ host, http }) =>
    http.paths.map(({ path, backend: { service } }): Site => {
      const own = slices.filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === service.name);
      const servers = own.flatMap((each) => {
        const { endpoints = [], ports = [] } = each as unknown as Slice;
        if (!ports.some(({ port }) => port === service.port.number)) return [];
        return endpoints
          .filter(({ conditions }) => conditions?.ready !== false)
          .flatMap(({ addresses }) => addresses.map((address) => `${address}:${service.port.number}`));
      });
      return { host, path, servers: servers.toSorted(), annotations };
    }),
  );
}
