import { inOrder, positioned } from "./check/file.ts";
import type { SizeSpec } from "./context.ts";
import { defaultSizes } from "./context.ts";
import type { CustomSize } from "./deployment.ts";
import {
  completeIngress,
  completeProbe,
  ingressProblems,
  type IngressSettings,
  type ProbeSettings,
  type WrittenIngress,
} from "./ingress-settings.ts";
import type { Finding, Problem } from "./problem.ts";
import { parseSize } from "./resolve/workload.ts";
import type { Drafted } from "./rules/draft.ts";
import { prune } from "./rules/draft.ts";
import { didYouMean } from "./rules/nearest.ts";
import { parseBytes, parseCpu } from "./rules/quantities.ts";
import { explain, show } from "./schema/explain.ts";
import { serverSchema } from "./schema/server.ts";
import { makeValidators } from "./schema/validator.ts";
import { readText } from "./text/source-text.ts";

/** What `waybill serve --config FILE` sets, completed. */
export interface ServerSettings {
  readonly targets: Readonly<Record<string, TargetSettings>>;
  /** One of `targets`. */
  readonly defaultTarget: string;
  readonly sizes: Readonly<Record<string, SizeSpec>>;
  /** The domain of deployments' host names; without it `localhost:PORT`. */
  readonly domain?: string;
  /** Of the files of one run so much is kept; absent: what is usual. */
  readonly runOutputBytes?: number;
}

export type TargetSettings =
  | { readonly kind: "local"; readonly engine: "in-process" | "pulumi-cli"; readonly pulumi?: PulumiSettings }
  | KubernetesTargetSettings;

/** Only with the engine `pulumi-cli`. */
export interface PulumiSettings {
  /** A path, or a name on PATH. */
  readonly command?: string;
  /** As PULUMI_BACKEND_URL has it. */
  readonly backend?: string;
  readonly organization?: string;
  readonly passphraseFile?: string;
  readonly secretsProvider?: string;
}

export interface KubernetesTargetSettings {
  readonly kind: "kubernetes";
  readonly engine: "in-process" | "pulumi-cli";
  readonly pulumi?: PulumiSettings;
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Images by runtime, for sources that bring none. */
  readonly runtimes: { readonly node?: string; readonly python?: string };
  readonly sourceUrl?: string;
  /** How sizes ask for GPUs, in place of the ways that Waybill knows; the first that fits is taken. */
  readonly gpus: readonly GpuSettings[];
  /** Nodes are added for pods that find no place: what it has says nothing about what it can have. */
  readonly autoscaled?: boolean;
  /** What becomes of what others change of Waybill's objects; shown by default. */
  readonly drift?: "show" | "restore";
  /** What fires jobs' schedules; the server by default. */
  readonly schedules?: "server" | "cronJobs";
  /** Of one environment, as a ResourceQuota has it. */
  readonly quota?: Readonly<Record<string, string>>;
  readonly gateway?: { readonly cidrs?: readonly string[]; readonly namespace?: string };
  /** Absent: the gateway is the entrance. */
  readonly ingress?: IngressSettings;
  /** How the gateway is probed where it is the entrance; by default, by its own address. */
  readonly probe?: ProbeSettings;
  /** The path of a `.dockerconfigjson`. */
  readonly pullSecret?: string;
  /** Paths of modules that take the place of Waybill's programs. */
  readonly templates?: { readonly environment?: string; readonly service?: string; readonly worker?: string };
}

/** One kind of GPU, whole or in slices, and how the cluster is asked for it. */
export interface GpuSettings {
  /** As `size.gpu.type` says it. */
  readonly type: string;
  /** As `size.gpu.slice` says it; absent for whole ones. */
  readonly slice?: string;
  /** What nodes count it as: `nvidia.com/gpu`. */
  readonly resource: string;
  /** Labels of the nodes that have it; a list means any of these. */
  readonly nodeSelector: Readonly<Record<string, string | readonly string[]>>;
  /** As Kubernetes writes them; the taint that NVIDIA's nodes usually carry is tolerated without. */
  readonly tolerations?: readonly TolerationSettings[];
}

export interface TolerationSettings {
  readonly key?: string;
  readonly operator?: "Exists" | "Equal";
  readonly value?: string;
  readonly effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
}

/** The settings of a server that is given none: processes of this machine. */
export const defaultServerSettings: ServerSettings = {
  targets: { local: { kind: "local", engine: "in-process" } },
  defaultTarget: "local",
  sizes: defaultSizes,
};

interface WrittenTarget extends Partial<Omit<KubernetesTargetSettings, "kind" | "gpus" | "ingress" | "probe">> {
  readonly kind: "local" | "kubernetes";
  readonly ingress?: WrittenIngress;
  readonly gpus?: readonly (Omit<GpuSettings, "nodeSelector"> & Partial<Pick<GpuSettings, "nodeSelector">>)[];
}

interface Written {
  readonly targets?: Readonly<Record<string, WrittenTarget>>;
  readonly defaultTarget?: string;
  readonly sizes?: Readonly<Record<string, CustomSize>>;
  readonly domain?: string;
  readonly runs?: { readonly outputLimit?: string | number };
}

/** Reads a server's settings file. `settings` is undefined when there are problems. */
export function parseServerSettings(
  text: string,
  path: string,
): { readonly settings: ServerSettings | undefined; readonly problems: readonly Problem[] } {
  const source = readText(path, Buffer.from(text));
  if (source.problems.length > 0) return { settings: undefined, problems: inOrder(source.problems) };
  const [document] = source.documents;
  if (document === undefined) return { settings: defaultServerSettings, problems: [] };
  const { value } = document;
  const findings: Finding[] = isMap(value)
    ? explain(makeValidators(serverSchema)("#").errors(value), value, { name: "the settings" })
    : [{ path: [], at: "value", code: "FIELD_TYPE", message: `the settings are a map, found ${show(value)}` }];
  if (isMap(value)) findings.push(...findSettingsProblems(prune(value, findings) as Drafted<Written>));
  const problems = inOrder(positioned({ path, text: source, index: 0 }, findings));
  return { settings: problems.length === 0 ? complete(value as Written) : undefined, problems };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const ofKubernetes = [
  "kubeconfig",
  "context",
  "runtimes",
  "sourceUrl",
  "gpus",
  "autoscaled",
  "drift",
  "schedules",
  "quota",
  "gateway",
  "ingress",
  "pullSecret",
  "templates",
] as const;

function findSettingsProblems({ targets, defaultTarget, sizes, runs }: Drafted<Written>): Finding[] {
  const findings: Finding[] = [];
  const names = Object.keys(targets ?? defaultServerSettings.targets);
  if (defaultTarget !== undefined && !names.includes(defaultTarget)) {
    const message = `defaultTarget "${defaultTarget}" is not one of targets.${didYouMean(defaultTarget, names)}`;
    findings.push({ path: ["defaultTarget"], at: "value", code: "TARGET_UNKNOWN", message });
  }
  for (const [name, target] of Object.entries(targets ?? {})) {
    if (target?.pulumi !== undefined && target.engine !== "pulumi-cli") {
      const message = "pulumi is for the engine pulumi-cli: remove it, or add engine: pulumi-cli";
      findings.push({ path: ["targets", name, "pulumi"], at: "key", code: "FIELD_NOT_FOR_KIND", message });
    }
    if (target?.kind !== "local") {
      findings.push(...ingressProblems(name, target?.ingress, target?.sourceUrl));
      continue;
    }
    for (const key of ofKubernetes) {
      if (target[key] === undefined) continue;
      const message = `${key} is for targets of kind kubernetes: remove it, or change kind`;
      findings.push({ path: ["targets", name, key], at: "key", code: "FIELD_NOT_FOR_KIND", message });
    }
  }
  for (const [name, size] of Object.entries(sizes ?? {})) findings.push(...sizeProblems(name, size ?? {}));
  const limit = runs?.outputLimit;
  if (limit !== undefined && parseBytes(limit) === undefined) {
    const message = `runs.outputLimit ${limit} is not a quantity such as 1Gi`;
    findings.push({ path: ["runs", "outputLimit"], at: "value", code: "QUANTITY_INVALID", message });
  }
  return findings;
}

function sizeProblems(name: string, { cpu, memory, disk }: Drafted<CustomSize>): Finding[] {
  const wrong = [
    ["cpu", cpu, parseCpu] as const,
    ["memory", memory, parseBytes] as const,
    ["disk", disk, parseBytes] as const,
  ].filter(([, amount, parse]) => amount !== undefined && parse(amount) === undefined);
  return wrong.map(([key, amount]) => ({
    path: ["sizes", name, key],
    at: "value",
    code: "QUANTITY_INVALID",
    message: `${key} ${amount} is not a quantity such as ${key === "cpu" ? "0.5 or 500m" : "4Gi"}`,
  }));
}

function complete({ targets, defaultTarget, sizes, domain, runs }: Written): ServerSettings {
  const runOutputBytes = parseBytes(runs?.outputLimit ?? "");
  const named =
    targets === undefined
      ? defaultServerSettings.targets
      : Object.fromEntries(Object.entries(targets).map(([name, target]) => [name, completeTarget(target)]));
  const measured = Object.entries(sizes ?? {}).map(([name, size]) => [name, parseSize(size)]);
  return {
    targets: named,
    defaultTarget: defaultTarget ?? Object.keys(named)[0] ?? "local",
    sizes: sizes === undefined ? defaultSizes : Object.fromEntries(measured),
    ...(domain !== undefined && { domain }),
    ...(runOutputBytes !== undefined && { runOutputBytes }),
  };
}

function completeTarget({
  kind,
  engine = "in-process",
  runtimes = {},
  gpus = [],
  ingress: written,
  ...reach
}: WrittenTarget): TargetSettings {
  if (kind === "local") return { kind, engine, ...(reach.pulumi && { pulumi: reach.pulumi }) };
  const ingress = completeIngress(written, reach.sourceUrl);
  return {
    kind,
    engine,
    ...reach,
    ...(ingress ? { ingress } : written?.probe && { probe: completeProbe(written) }),
    runtimes,
    gpus: gpus.map((gpu) => ({ ...gpu, nodeSelector: gpu.nodeSelector ?? {} })),
  };
}
