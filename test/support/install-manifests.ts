import { chmod, mkdir, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { join, relative } from "node:path";
import { packageRoot } from "../../src/core/package-root.ts";
import { serverImage } from "./kubectl.ts";

interface InstallSettings {
  /** Of the namespace, and the end of every other name. */
  readonly name: string;
  readonly port: number;
  readonly databaseUrl: string;
  readonly token: string;
  readonly servers: number;
  /** Gateways of their own, beside several servers. */
  readonly gateways: number;
}

/** A folder to apply, as a user writes it: settings, a key, and a kustomization on top of deploy/. */
export async function writeInstall(folder: string, given: InstallSettings): Promise<string> {
  const overlay = join(folder, "overlay");
  const volume = join(folder, "volume");
  for (const each of [overlay, volume]) await mkdir(each);
  // The servers' user is none of this machine's.
  await chmod(folder, 0o711);
  await chmod(volume, 0o777);
  const write = (file: string, content: string | Buffer) => writeFile(join(overlay, file), content);
  await write("server.yaml", settings(given));
  await write("master-key", randomBytes(32));
  await write("volume.yaml", JSON.stringify(volumeAt(volume)));
  await write("kustomization.yaml", JSON.stringify(kustomization(overlay, given)));
  return overlay;
}

const settings = ({ port, name }: InstallSettings): string => `domain: localhost:${port}
targets:
  cluster:
    kind: kubernetes
    runtimes: {node: "${process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1"}"}
    sourceUrl: http://waybill-${name}.${name}.svc.cluster.local
    gateway: {namespace: ${name}}
`;

/** A folder of the node, for a cluster without storage. */
const volumeAt = (path: string) => ({
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name: "data" },
  spec: {
    capacity: { storage: "1Gi" },
    accessModes: ["ReadWriteMany"],
    persistentVolumeReclaimPolicy: "Retain",
    storageClassName: "",
    hostPath: { path },
  },
});

/** What a user writes, and what a test changes: names of its own, and next to no CPU asked for. */
function kustomization(folder: string, { name, databaseUrl, token, servers, gateways }: InstallSettings) {
  const [repository, tag = "latest"] = serverImage.split(":");
  const below = (path: string): string => relative(folder, join(packageRoot, "deploy", path));
  const pod = "/spec/template/spec";
  const container = `${pod}/containers/0`;
  const requests = { cpu: "50m", memory: "256Mi" };
  const forServer: readonly object[] = [
    { op: "add", path: `${container}/imagePullPolicy`, value: "IfNotPresent" },
    { op: "replace", path: `${container}/resources/requests`, value: requests },
  ];
  const isOne = servers === 1;
  const storage = isOne
    ? [{ op: "replace", path: `${pod}/volumes/0`, value: { name: "data", emptyDir: {} } }]
    : [{ op: "replace", path: "/spec/replicas", value: servers }];
  const claim = isOne
    ? [{ $patch: "delete", kind: "PersistentVolumeClaim", metadata: { name: "waybill-data" } }]
    : [
        { op: "replace", path: "/spec/resources/requests/storage", value: "1Gi" },
        { op: "add", path: "/spec/storageClassName", value: "" },
        { op: "add", path: "/spec/volumeName", value: "data" },
      ];
  const patched = (kind: string, patches: readonly object[]) => ({
    target: { kind },
    patch: JSON.stringify(patches.length === 1 && isOne ? patches[0] : patches),
  });
  return {
    kind: "Kustomization",
    namespace: name,
    nameSuffix: `-${name}`,
    resources: [below("base"), ...(isOne ? [] : ["volume.yaml"])],
    components: isOne ? [] : [below("several-servers"), ...(gateways > 0 ? [below("gateways")] : [])],
    configMapGenerator: [{ name: "waybill-settings", files: ["server.yaml"] }],
    secretGenerator: [
      { name: "waybill", files: ["master-key"], literals: [`database-url=${databaseUrl}`, `bootstrap-token=${token}`] },
    ],
    images: [{ name: "waybill", newName: repository, newTag: tag }],
    patches: [
      { target: { kind: "StatefulSet" }, patch: JSON.stringify([...forServer, ...storage]) },
      patched("PersistentVolumeClaim", claim),
      ...(gateways > 0
        ? [
            {
              target: { kind: "Deployment" },
              patch: JSON.stringify([...forServer, { op: "replace", path: "/spec/replicas", value: gateways }]),
            },
          ]
        : []),
      guardPatch(name),
    ],
  };
}
/** How the API server calls the account of an install. */
export const account = (name: string): string => `system:serviceaccount:${name}:waybill-${name}`;

export const guardPatch = (name: string) => ({
  target: { kind: "ValidatingAdmissionPolicy" },
  patch: JSON.stringify([
    {
      op: "replace",
      path: "/spec/matchConditions/0/expression",
      value: `request.userInfo.username == "${account(name)}"`,
    },
  ]),
});
