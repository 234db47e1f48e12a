import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { kubeconfigPath } from "./cluster.ts";

const run = promisify(execFile);
const applets = ["sh", "sleep", "echo", "env", "cat", "date", "kill"];

const onPath = (name: string): string | undefined =>
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));

const socket = (): string => join(dirname(kubeconfigPath()), "containerd.sock");

/** Why no image of a user's own can be put into the cluster; false where one can. */
export const userImageSkip = (): string | false => {
  if (!process.env["KUBECONFIG"]) return "no cluster: set KUBECONFIG to run this";
  if (!onPath("busybox") || !onPath("ctr")) return "no busybox or no ctr on PATH";
  return existsSync(socket()) ? false : "the cluster's containerd is not on this machine";
};

const digestOf = (content: Buffer | string): string => `sha256:${createHash("sha256").update(content).digest("hex")}`;

/** An image with a shell, which runs as user 1000, put into the cluster: its name with its digest. */
export async function putUserImage(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "waybill-image-"));
  try {
    const root = join(folder, "root");
    await mkdir(join(root, "bin"), { recursive: true });
    await mkdir(join(root, "tmp"));
    const busybox = join(root, "bin/busybox");
    await copyFile(onPath("busybox") ?? "", busybox);
    await chmod(busybox, 0o755);
    for (const applet of applets) await symlink("busybox", join(root, "bin", applet));
    const layerFile = join(folder, "layer.tar");
    const fixed = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
    await run("tar", [...fixed, "-C", root, "-cf", layerFile, "."]);
    return await importImage(folder, await readFile(layerFile));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** https://github.com/opencontainers/image-spec/blob/main/image-layout.md */
async function importImage(folder: string, layer: Buffer): Promise<string> {
  const config = JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin"], User: "1000", Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [digestOf(layer)] },
  });
  const part = (kind: string, content: Buffer | string) => ({
    mediaType: `application/vnd.oci.image.${kind}`,
    digest: digestOf(content),
    size: Buffer.byteLength(content),
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: part("config.v1+json", config),
    layers: [part("layer.v1.tar", layer)],
  });
  const name = `local/waybill-user@${digestOf(manifest)}`;
  const annotations = { "io.containerd.image.name": `docker.io/${name}` };
  const index = { schemaVersion: 2, manifests: [{ ...part("manifest.v1+json", manifest), annotations }] };
  const layout = join(folder, "layout");
  await mkdir(join(layout, "blobs/sha256"), { recursive: true });
  await writeFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(layout, "index.json"), JSON.stringify(index));
  for (const blob of [config, manifest, layer]) {
    await writeFile(join(layout, "blobs/sha256", digestOf(blob).slice("sha256:".length)), blob);
  }
  const archive = join(folder, "image.tar");
  await run("tar", ["-C", layout, "-cf", archive, "."]);
  await run("ctr", ["-a", socket(), "-n", "k8s.io", "images", "import", archive]);
  return name;
}
