interface Size {
  readonly cpu: number;
  readonly memory: string;
  readonly gpu?: { readonly count: number; readonly type: string };
}

const cpu = (cores: number, gib: number): Size => ({ cpu: cores, memory: `${gib}Gi` });
const gpu = (size: Size, count: number, type: string): Size => ({ ...size, gpu: { count, type } });

/** Instance types of Saturn Cloud's hosted service: cores, memory, GPUs. */
const sizes: Readonly<Record<string, Size>> = {
  medium: cpu(2, 4),
  large: cpu(2, 16),
  xlarge: cpu(4, 32),
  "2xlarge": cpu(8, 64),
  "4xlarge": cpu(16, 128),
  "8xlarge": cpu(32, 256),
  "12xlarge": cpu(48, 384),
  "16xlarge": cpu(64, 512),
  g4dnxlarge: gpu(cpu(4, 16), 1, "t4"),
  g4dn4xlarge: gpu(cpu(16, 64), 1, "t4"),
  g4dn8xlarge: gpu(cpu(32, 128), 1, "t4"),
  g4dn12xlarge: gpu(cpu(48, 192), 4, "t4"),
  p32xlarge: gpu(cpu(8, 61), 1, "v100"),
  p38xlarge: gpu(cpu(32, 244), 4, "v100"),
  p316xlarge: gpu(cpu(64, 488), 8, "v100"),
};

const spelledGpu = /gpu-([a-z0-9]+)(?:-[a-z0-9]+)*?-(\d+)gpu-(\d+)vcpu-(\d+)gb$/;
const spelledCpu = /(\d+)vcpu-(\d+)gb$/;

/** `large`, or a name that spells its size out, such as `nebius-gpu-h200-sxm-1gpu-16vcpu-200gb`; null for others. */
export function sizeOf(instanceType: string): Size | null {
  const name = instanceType.toLowerCase();
  const known = Object.hasOwn(sizes, name) ? sizes[name] : undefined;
  if (known) return known;
  const [, type, count, gpuCores, gpuMemory] = spelledGpu.exec(name) ?? [];
  if (type !== undefined) return gpu(cpu(Number(gpuCores), Number(gpuMemory)), Number(count), type);
  const [, cores, memory] = spelledCpu.exec(name) ?? [];
  return cores === undefined ? null : cpu(Number(cores), Number(memory));
}
