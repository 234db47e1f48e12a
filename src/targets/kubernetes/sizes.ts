import { WaybillError } from "../../core/errors.ts";
import type { GpuSpec } from "../../spec/context.ts";
import type { ResolvedSize } from "../../spec/resolved.ts";
import type { GpuSettings, TolerationSettings } from "../../spec/server-settings.ts";

/** What a container asks for, and where its pod may be placed. Quantities as Kubernetes writes them. */
export interface PodResources {
  readonly requests: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, string>>;
  /** All of these: the node carries the label with one of the values. For a required node affinity. */
  readonly nodeRequirements: readonly NodeRequirement[];
  readonly tolerations: readonly TolerationSettings[];
}

export interface NodeRequirement {
  readonly key: string;
  readonly values: readonly string[];
}

type Gpus = readonly GpuSettings[];

/**
 * A size as a pod's resources. Memory and GPUs are limits too; there is no limit of CPU, so that a program may use
 * what is idle. Throws TARGET_UNSUPPORTED with the words of `sizeProblem`.
 */
export function podResources(size: ResolvedSize, gpus: Gpus): PodResources {
  const memory = bytesText(size.memoryBytes);
  const disk = size.diskBytes === undefined ? {} : { "ephemeral-storage": bytesText(size.diskBytes) };
  const way = size.gpu && wayTo(size.gpu, gpus);
  if (typeof way === "string") throw new WaybillError("TARGET_UNSUPPORTED", way);
  const cards = size.gpu && way ? { [way.resource]: String(size.gpu.count) } : {};
  return {
    requests: { cpu: cpuText(size.cpu), memory, ...disk, ...cards },
    limits: { memory, ...disk, ...cards },
    nodeRequirements: way?.nodeRequirements ?? [],
    tolerations: way?.tolerations ?? [],
  };
}

/** Why no pod can be asked for with this size, in the user's words; null when one can. */
export function sizeProblem({ gpu }: ResolvedSize, gpus: Gpus): string | null {
  const way = gpu && wayTo(gpu, gpus);
  return typeof way === "string" ? way : null;
}

/** `GPU of type h100`, `GPU slice 1g.10gb of type h100`, `GPU`. */
export function gpuWords({ type, slice }: GpuSpec): string {
  const part = slice === undefined ? "GPU" : `GPU slice ${slice}`;
  return type === undefined ? part : `${part} of type ${type}`;
}

type Way = Pick<PodResources, "nodeRequirements" | "tolerations"> & { readonly resource: string };

/** The first of the settings that fits, else NVIDIA's own names; text says why there is none. */
function wayTo(gpu: GpuSpec, gpus: Gpus): Way | string {
  const set = gpus.find(({ type, slice }) => (gpu.type === undefined || gpu.type === type) && gpu.slice === slice);
  if (set) {
    const { resource, nodeSelector, tolerations = nvidiaTolerations } = set;
    return { resource, nodeRequirements: requirementsOf(nodeSelector), tolerations };
  }
  const products = gpu.type === undefined ? [] : nvidiaProducts[gpu.type.toLowerCase()];
  const resource = gpu.slice === undefined ? "nvidia.com/gpu" : migResource(gpu.slice);
  if (products === undefined || resource === null) return unknownGpu(gpu, gpus);
  const nodeRequirements = products.length === 0 ? [] : [{ key: productLabel, values: products }];
  return { resource, nodeRequirements, tolerations: nvidiaTolerations };
}

const requirementsOf = (labels: GpuSettings["nodeSelector"]): readonly NodeRequirement[] =>
  Object.entries(labels).map(([key, value]) => ({ key, values: typeof value === "string" ? [value] : value }));

function unknownGpu(gpu: GpuSpec, gpus: Gpus): string {
  const known = [...new Set([...gpus.map(({ type }) => type), ...Object.keys(nvidiaProducts)])].join(", ");
  const what = gpu.slice === undefined ? "" : " and MIG slices such as 1g.10gb";
  return `this target knows no ${gpuWords(gpu)}: it knows ${known}${what}. Add it to the target's gpus in the server's settings`;
}

/** Whole ones are tainted with this by NVIDIA's and the clouds' set-ups. */
const nvidiaTolerations: readonly TolerationSettings[] = [
  { key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" },
];

// Written by NVIDIA's GPU feature discovery: https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery
const productLabel = "nvidia.com/gpu.product";
const nvidiaProducts: Readonly<Record<string, readonly string[]>> = {
  b200: ["NVIDIA-B200"],
  h200: ["NVIDIA-H200", "NVIDIA-H200-NVL"],
  h100: ["NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-PCIe", "NVIDIA-H100-NVL"],
  a100: [
    "NVIDIA-A100-SXM4-80GB",
    "NVIDIA-A100-SXM4-40GB",
    "NVIDIA-A100-80GB-PCIe",
    "NVIDIA-A100-PCIE-80GB",
    "NVIDIA-A100-PCIE-40GB",
  ],
  l40s: ["NVIDIA-L40S"],
  l40: ["NVIDIA-L40"],
  l4: ["NVIDIA-L4"],
  a10g: ["NVIDIA-A10G"],
  a10: ["NVIDIA-A10"],
  t4: ["Tesla-T4"],
  v100: ["Tesla-V100-SXM2-16GB", "Tesla-V100-SXM2-32GB", "Tesla-V100-PCIE-16GB", "Tesla-V100-PCIE-32GB"],
};

// The device plugin's mixed strategy: https://docs.nvidia.com/datacenter/cloud-native/kubernetes/latest/index.html
const migProfile = /^\d+g\.\d+gb(?:\.me|\+me)?$/;
const migResource = (slice: string): string | null =>
  migProfile.test(slice) ? `nvidia.com/mig-${slice.replace("+", ".")}` : null;

const cpuText = (cores: number): string => (Number.isInteger(cores) ? String(cores) : `${Math.round(cores * 1000)}m`);

/** In the largest unit that leaves no fraction, as the API server writes it, too. */
function bytesText(bytes: number): string {
  const unit = (["Ti", "Gi", "Mi", "Ki"] as const).find((_, index) => bytes % 2 ** (40 - 10 * index) === 0);
  if (unit === undefined) return String(bytes);
  return `${bytes / { Ti: 2 ** 40, Gi: 2 ** 30, Mi: 2 ** 20, Ki: 2 ** 10 }[unit]}${unit}`;
}
