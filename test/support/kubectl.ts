import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { clusterSkip, kubeconfigPath } from "./cluster.ts";

const run = promisify(execFile);

/** Waybill's own image, which .ci/waybill-image makes and puts into the cluster. */
export const serverImage = process.env["WAYBILL_TEST_SERVER_IMAGE"] ?? "local/waybill:1";

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

/** Why several servers cannot share a folder of this machine; false where they can. */
export async function sharedFolderSkip(): Promise<string | false> {
  const skip = await serverImageSkip();
  if (skip) return skip;
  const path = "jsonpath={.items[*].status.addresses[?(@.type=='InternalIP')].address}";
  const nodes = (await kubectl("get", "nodes", "-o", path)).split(" ");
  const own = new Set(Object.values(networkInterfaces()).flatMap((each) => each?.map(({ address }) => address)));
  return nodes.every((node) => own.has(node)) ? false : "the cluster's nodes are other machines: no folder to share";
}
