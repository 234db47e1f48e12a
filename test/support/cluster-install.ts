import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import pg from "pg";
import { packageRoot } from "../../src/core/package-root.ts";
import { startEmbeddedPostgres } from "../../src/store/embedded-postgres.ts";
import type { KubeObject } from "../../src/targets/kubernetes/cluster/object.ts";
import { guardPatch, writeInstall } from "./install-manifests.ts";
import { kubectl } from "./kubectl.ts";
import type { Rule } from "./rights.ts";
import { newToken } from "./server-process.ts";

/** Where pods reach this machine. */
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";

/** A port that leads elsewhere, as a load balancer's does. */
export async function forward(from: string, to: () => { readonly host: string; readonly port: number }) {
  const sockets = new Set<Socket>();
  const server = createServer((incoming) => {
    const outgoing = connect(to());
    for (const [one, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, from, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A PostgreSQL that pods reach, with a password. */
async function startDatabase(folder: string, on: AsyncDisposableStack): Promise<string> {
  const server = await startEmbeddedPostgres(join(folder, "postgres"));
  on.defer(() => server.stop());
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query("create database waybill");
  await admin.end();
  const url = new URL(server.url);
  const own = Number(url.port);
  const outside = on.use(await forward(hostAddress, () => ({ host: "127.0.0.1", port: own })));
  url.host = `${hostAddress}:${outside.port}`;
  url.pathname = "/waybill";
  return url.href;
}

export interface Install extends AsyncDisposable {
  readonly namespace: string;
  /** People's port on this machine. */
  readonly port: number;
  readonly token: string;
  readonly folder: string;
  /** Applies the manifests, and waits until the servers answer. */
  apply(): Promise<void>;
  /** Has people's requests go to this one of the pods from now on. */
  enterBy(pod: string): Promise<void>;
}

interface InstallOptions {
  /** Of the namespace, and the end of every other name. */
  readonly name: string;
  /** More than one share a folder of this machine, which must be the cluster's node. */
  readonly servers?: number;
  /** Gateways of their own. Default: none. */
  readonly gateways?: number;
}

/** What deploy/ makes, in a namespace and under names of its own: the servers' pods, on a database of this machine. */
export async function installWaybill({ name, servers = 1, gateways = 0 }: InstallOptions): Promise<Install> {
  await using made = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "waybill-install-"));
  made.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const databaseUrl = await startDatabase(folder, made);
  const token = newToken();
  let host = "";
  const door = made.use(await forward("127.0.0.1", () => ({ host, port: 8080 })));
  const overlay = await writeInstall(folder, { name, port: door.port, databaseUrl, token, servers, gateways });
  made.defer(async () => {
    // What they write goes with the folder.
    await kubectl("-n", name, "delete", "statefulsets,deployments,pods", "--all", "--grace-period=0", "--force");
    await kubectl("delete", "-k", overlay, "--ignore-not-found", "--wait=false");
  });
  const kept = made.move();
  const enterBy = async (pod: string): Promise<void> => {
    host = await kubectl("-n", name, "get", "pod", pod, "-o", "jsonpath={.status.podIP}");
  };
  return {
    namespace: name,
    port: door.port,
    token,
    folder,
    async apply() {
      await kubectl("apply", "--server-side", "-k", overlay);
      await kubectl("-n", name, "rollout", "status", `statefulset/waybill-${name}`, "--timeout=120s");
      if (gateways > 0) {
        await kubectl("-n", name, "rollout", "status", `deployment/waybill-gateway-${name}`, "--timeout=120s");
      }
      await enterBy(`waybill-${name}-0`);
    },
    enterBy,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export interface Rights extends AsyncDisposable {
  readonly roles: readonly (KubeObject & { readonly rules: readonly Rule[] })[];
  /** Of the server's account, good for an hour. */
  readonly kubeconfig: string;
}

interface RightsOptions {
  readonly name: string;
  readonly folder: string;
  /** In these namespaces, which are made for it. Absent: in all, and it makes them. */
  readonly given?: readonly string[];
}

/** The account of deploy/rights alone, for a server that runs elsewhere. */
export async function installRights({ name, folder, given }: RightsOptions): Promise<Rights> {
  const overlay = join(folder, "rights");
  await mkdir(overlay);
  const content = {
    kind: "Kustomization",
    namespace: name,
    nameSuffix: `-${name}`,
    resources: [relative(overlay, join(packageRoot, `deploy/rights/${given ? "account" : "cluster"}`))],
    patches: given ? [] : [guardPatch(name)],
  };
  await writeFile(join(overlay, "kustomization.yaml"), JSON.stringify(content));
  await kubectl("create", "namespace", name);
  await kubectl("apply", "--server-side", "-k", overlay);
  for (const space of given ?? []) {
    await kubectl("create", "namespace", space);
    const [role, who] = [`--clusterrole=waybill-environment-${name}`, `--serviceaccount=${name}:waybill-${name}`];
    await kubectl("-n", space, "create", "rolebinding", "waybill", role, who);
  }
  const made = JSON.parse(await kubectl("get", "-k", overlay, "-o", "json")) as {
    readonly items: readonly (KubeObject & { readonly rules: readonly Rule[] })[];
  };
  const config = JSON.parse(await kubectl("config", "view", "--raw", "--minify", "-o", "json")) as {
    users: unknown;
  };
  const token = (await kubectl("-n", name, "create", "token", `waybill-${name}`, "--duration=1h")).trim();
  const [user] = config.users as readonly { readonly name: string }[];
  return {
    roles: made.items.filter(({ kind }) => kind === "ClusterRole"),
    kubeconfig: JSON.stringify({ ...config, users: [{ name: user?.name, user: { token } }] }),
    async [Symbol.asyncDispose]() {
      await kubectl("delete", "-k", overlay, "--ignore-not-found", "--wait=false");
      await kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false");
    },
  };
}
