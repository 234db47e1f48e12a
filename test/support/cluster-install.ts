import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, connect, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { packageRoot } from "../../src/core/package-root.ts";
import { startEmbeddedPostgres } from "../../src/store/embedded-postgres.ts";
import type { KubeObject } from "../../src/targets/kubernetes/cluster/object.ts";
import { clusterSkip, kubeconfigPath } from "./cluster.ts";
import type { Rule } from "./rights.ts";
import { newToken } from "./server-process.ts";

const run = promisify(execFile);

/** Waybill's own image, which .ci/waybill-image makes and puts into the cluster. */
const serverImage = process.env["WAYBILL_TEST_SERVER_IMAGE"] ?? "local/waybill:1";
/** Where pods reach this machine. */
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";

/** Beside the kubeconfig's cluster, or on PATH; null where there is none. */
function findKubectl(): string | null {
  const path = process.env["KUBECONFIG"] ?? "";
  const folders = [join(dirname(path), "bin"), ...(process.env["PATH"] ?? "").split(delimiter)];
  return folders.map((folder) => join(folder, "kubectl")).find((file) => existsSync(file)) ?? null;
}

/** Why a test of the manifests is skipped; false where it can run. */
export const kubectlSkip = (): string | false => clusterSkip() || (findKubectl() ? false : "no kubectl here");

export async function kubectl(...args: readonly string[]): Promise<string> {
  const command = findKubectl();
  if (command === null) throw new Error("no kubectl here; guard the test with kubectlSkip()");
  const env = { ...process.env, KUBECONFIG: kubeconfigPath() };
  return (await run(command, args, { env, maxBuffer: 64 * 1024 * 1024 })).stdout;
}

/** Why what needs Waybill's own image is skipped; false where a node has it. */
export async function serverImageSkip(): Promise<string | false> {
  if (kubectlSkip()) return kubectlSkip();
  const known = await kubectl("get", "nodes", "-o", "jsonpath={.items[*].status.images[*].names}");
  return known.includes(serverImage) ? false : `no image ${serverImage} in the cluster: .ci/waybill-image makes it`;
}

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
  /** Applies the manifests (again), and waits until the server answers. */
  apply(): Promise<void>;
}

/** What deploy/ makes, in a namespace and under names of its own: the server's pods, on a database of this machine. */
export async function installWaybill({ name }: { readonly name: string }): Promise<Install> {
  await using made = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "waybill-install-"));
  made.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const databaseUrl = await startDatabase(folder, made);
  const token = newToken();
  let pod = "";
  const door = made.use(await forward("127.0.0.1", () => ({ host: pod, port: 8080 })));
  const overlay = join(folder, "overlay");
  await mkdir(overlay);
  await writeFile(join(overlay, "server.yaml"), settings(door.port, name));
  await writeFile(join(overlay, "master-key"), randomBytes(32));
  await writeFile(join(overlay, "kustomization.yaml"), kustomization(overlay, { name, databaseUrl, token }));
  made.defer(async () => {
    await kubectl("delete", "-k", overlay, "--ignore-not-found", "--wait=false");
  });
  const kept = made.move();
  return {
    namespace: name,
    port: door.port,
    token,
    folder,
    async apply() {
      await kubectl("apply", "--server-side", "-k", overlay);
      await kubectl("-n", name, "rollout", "status", `statefulset/waybill-${name}`, "--timeout=120s");
      const where = ["-n", name, "get", "pod", `waybill-${name}-0`, "-o", "jsonpath={.status.podIP}"];
      pod = await kubectl(...where);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const settings = (port: number, namespace: string): string => `domain: localhost:${port}
targets:
  cluster:
    kind: kubernetes
    runtimes: {node: "${process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1"}"}
    sourceUrl: http://waybill-${namespace}.${namespace}.svc.cluster.local
    gateway: {namespace: ${namespace}}
`;

/** How the API server calls the account of an install. */
export const account = (name: string): string => `system:serviceaccount:${name}:waybill-${name}`;

const guardPatch = (name: string) => ({
  target: { kind: "ValidatingAdmissionPolicy" },
  patch: JSON.stringify([
    {
      op: "replace",
      path: "/spec/matchConditions/0/expression",
      value: `request.userInfo.username == "${account(name)}"`,
    },
  ]),
});

interface Own {
  readonly name: string;
  readonly databaseUrl: string;
  readonly token: string;
}

/** What a user writes, and what a test changes: names of its own, no volume, and next to no CPU asked for. */
function kustomization(folder: string, { name, databaseUrl, token }: Own): string {
  const [repository, tag = "latest"] = serverImage.split(":");
  return JSON.stringify({
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    namespace: name,
    nameSuffix: `-${name}`,
    resources: [relative(folder, join(packageRoot, "deploy/base"))],
    configMapGenerator: [{ name: "waybill-settings", files: ["server.yaml"] }],
    secretGenerator: [
      {
        name: "waybill",
        files: ["master-key"],
        literals: [`database-url=${databaseUrl}`, `bootstrap-token=${token}`],
      },
    ],
    images: [{ name: "waybill", newName: repository, newTag: tag }],
    patches: [
      {
        target: { kind: "StatefulSet", name: "waybill" },
        patch: JSON.stringify([
          { op: "replace", path: "/spec/template/spec/volumes/0", value: { name: "data", emptyDir: {} } },
          { op: "add", path: "/spec/template/spec/containers/0/imagePullPolicy", value: "IfNotPresent" },
          {
            op: "add",
            path: "/spec/template/spec/containers/0/env/-",
            value: { name: "WAYBILL_HOST", value: "0.0.0.0" },
          },
          {
            op: "replace",
            path: "/spec/template/spec/containers/0/resources/requests",
            value: { cpu: "50m", memory: "256Mi" },
          },
        ]),
      },
      guardPatch(name),
      {
        target: { kind: "PersistentVolumeClaim" },
        patch: "$patch: delete\nkind: PersistentVolumeClaim\nmetadata: {name: waybill-data}",
      },
    ],
  });
}

export interface Rights extends AsyncDisposable {
  readonly roles: readonly (KubeObject & { readonly rules: readonly Rule[] })[];
  /** Of the server's account, good for an hour. */
  readonly kubeconfig: string;
}

/** The account of deploy/rights alone, for a server that runs elsewhere. */
export async function installRights({
  name,
  folder,
}: {
  readonly name: string;
  readonly folder: string;
}): Promise<Rights> {
  const overlay = join(folder, "rights");
  await mkdir(overlay);
  const content = {
    kind: "Kustomization",
    namespace: name,
    nameSuffix: `-${name}`,
    resources: [relative(overlay, join(packageRoot, "deploy/rights/cluster"))],
    patches: [guardPatch(name)],
  };
  await writeFile(join(overlay, "kustomization.yaml"), JSON.stringify(content));
  await kubectl("create", "namespace", name);
  await kubectl("apply", "--server-side", "-k", overlay);
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
