import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../src/targets/kubernetes/cluster/cluster.ts";
import type { KubeObject } from "../../src/targets/kubernetes/cluster/object.ts";
import { kubeconfigPath, patience } from "./cluster.ts";
import { kubectl } from "./kubectl.ts";

interface Kubelet {
  readonly pid: number;
  readonly command: readonly string[];
}

/** The kubelet of the cluster whose state lies beside its kubeconfig, as a process of this machine. */
function findKubelet(): Kubelet | null {
  const folder = join(dirname(kubeconfigPath()), "kubelet");
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    const command = read(`/proc/${name}/cmdline`).split("\0").slice(0, -1);
    const isKubelet = command.slice(0, 2).some((word) => /(?:^|\/)kubelet$/.test(word));
    if (isKubelet && command.includes(folder)) return { pid: Number(name), command };
  }
  return null;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Why no kubelet can be killed; false where one can. */
export function kubeletSkip(): string | false {
  if (!process.env["KUBECONFIG"]) return "no cluster: set KUBECONFIG to run this";
  if (process.getuid?.() !== 0) return "only root may kill a kubelet";
  return findKubelet() ? false : "the cluster's kubelet is no process of this machine";
}

// The one who starts it again is there before it is killed, and needs nobody: whatever becomes of the test.
const script = `pid=$1 log=$2 seconds=$3; shift 3
kill -9 "$pid"
sleep "$seconds"
[ -f pid/kubelet ] && echo $$ > pid/kubelet
exec "$@" >> "$log" 2>&1 < /dev/null`;

/** Kills the kubelet with SIGKILL; it is started again, as it was, after so many seconds. Resolves once it is dead. */
export async function killKubelet(seconds: number): Promise<void> {
  const found = findKubelet();
  if (!found) throw new Error("there is no kubelet on this machine");
  const { pid, command } = found;
  const entries = read(`/proc/${pid}/environ`)
    .split("\0")
    .flatMap((entry) => {
      const at = entry.indexOf("=");
      return at > 0 ? [[entry.slice(0, at), entry.slice(at + 1)] as const] : [];
    });
  const log = readlinkSync(`/proc/${pid}/fd/1`);
  const child = spawn("sh", ["-c", script, "sh", String(pid), log, String(seconds), ...command], {
    cwd: readlinkSync(`/proc/${pid}/cwd`),
    env: Object.fromEntries(entries),
    detached: true,
    stdio: "ignore",
  });
  child.unref();
  while (read(`/proc/${pid}/cmdline`) !== "") await sleep(20);
}

interface NodeObject extends KubeObject {
  readonly status: {
    readonly capacity: Readonly<Record<string, string>>;
    readonly conditions: readonly { type: string; status: string; lastHeartbeatTime: string }[];
  };
}

/** What nodes count that no kubelet has found there: one that starts forgets it. Answers how to put it back. */
export async function keepExtendedResources(cluster: Cluster): Promise<() => Promise<void>> {
  const nodes = async () => (await cluster.list<NodeObject>({ apiVersion: "v1", kind: "Node" }, patience())).items;
  const extended = ({ status }: NodeObject) => Object.entries(status.capacity).filter(([name]) => name.includes("/"));
  const before = new Map((await nodes()).map((node) => [node.metadata.name, extended(node)]));
  return async () => {
    for (const node of await nodes()) {
      const kept = before.get(node.metadata.name) ?? [];
      if (JSON.stringify(kept) === JSON.stringify(extended(node))) continue;
      const amounts = Object.fromEntries(kept);
      const status = JSON.stringify({ status: { capacity: amounts, allocatable: amounts } });
      await kubectl("patch", "node", node.metadata.name, "--subresource", "status", "--type", "merge", "-p", status);
    }
  };
}

/** Whether a kubelet is there, and says that its node is ready. */
export async function isKubeletBack(cluster: Cluster, since: Date): Promise<boolean> {
  const { items } = await cluster.list<NodeObject>({ apiVersion: "v1", kind: "Node" }, patience());
  const [node] = items;
  const ready = node?.status.conditions.find(({ type }) => type === "Ready");
  return findKubelet() !== null && ready?.status === "True" && new Date(ready.lastHeartbeatTime) > since;
}
