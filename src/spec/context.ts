/** What a workload may use. `cpu` in cores, memory and disk in bytes. */
export interface SizeSpec {
  readonly cpu: number;
  readonly memoryBytes: number;
  readonly diskBytes?: number;
  readonly gpu?: GpuSpec;
  /** May be taken away at any time, for a lower price. */
  readonly spot?: boolean;
}

/** `type` as the target names it (`h100`), `slice` a part of one card (`1g.10gb`). */
export interface GpuSpec {
  readonly count: number;
  readonly type?: string;
  readonly slice?: string;
}

/** What the server knows and a repository does not. */
export interface SpecContext {
  /** The catalogue of sizes that `size: NAME` chooses from. */
  readonly sizes: Readonly<Record<string, SizeSpec>>;
  /** The targets that an environment may name; without it any name passes. */
  readonly targets?: readonly string[];
  /** The target of environments that name none; `local` without it. */
  readonly defaultTarget?: string;
  /** Those of the targets whose clusters fire jobs' schedules. */
  readonly cronJobTargets?: readonly string[];
  /** The branch that `production` follows where there is no waybill.yaml; `main` without it. */
  readonly defaultBranch?: string;
}

const gib = 2 ** 30;

/** The catalogue of a server whose settings name no sizes. */
export const defaultSizes: Readonly<Record<string, SizeSpec>> = {
  "cpu-small": { cpu: 0.5, memoryBytes: 1 * gib },
  "cpu-medium": { cpu: 2, memoryBytes: 8 * gib },
  "cpu-large": { cpu: 8, memoryBytes: 32 * gib },
  "gpu-small": { cpu: 4, memoryBytes: 16 * gib, gpu: { count: 1 } },
  "gpu-large": { cpu: 16, memoryBytes: 128 * gib, gpu: { count: 4 } },
};

/** The size of a deployment that names none. */
export const defaultSize = "cpu-small";

export const defaultContext: SpecContext = { sizes: defaultSizes };
