import type { SizeSpec, SpecContext } from "../context.ts";
import { defaultSize } from "../context.ts";
import type { CustomSize, FileSpec, Scalar, SecretSpec, SourceSpec, WorkloadFields } from "../deployment.ts";
import type { ResolvedSecret, ResolvedSize, ResolvedSource, ResolvedWorkload } from "../resolved.ts";
import { parseBytes, parseCpu, parseDuration } from "../rules/quantities.ts";

const defaultStopTimeoutSeconds = 30;

export function resolveWorkload(fields: WorkloadFields, context: SpecContext): ResolvedWorkload {
  return {
    source: resolveSource(fields.source),
    build: fields.build ?? null,
    startScript: fields.startScript ?? null,
    command: fields.command ?? null,
    workingDir: fields.workingDir ?? ".",
    size: resolveSize(fields.size ?? defaultSize, context),
    env: textMap(fields.env),
    requiredEnv: [...(fields.requiredEnv ?? [])].sort(),
    files: resolveFiles(fields.files ?? {}),
    secrets: (fields.secrets ?? []).map(resolveSecret),
    stopTimeoutSeconds: duration(fields.stopTimeout, defaultStopTimeoutSeconds),
  };
}

export function resolveSource(source: SourceSpec = {}): ResolvedSource {
  if (source.image !== undefined) return { from: "image", image: source.image };
  const path = source.path ?? ".";
  if (source.git === undefined) return { from: "repository", path };
  return { from: "git", url: source.git.url ?? null, ref: source.git.ref ?? null, path };
}

function resolveSecret({ name, key, env, file }: SecretSpec): ResolvedSecret {
  const own = { name, ...(key !== undefined && { key }) };
  if (env !== undefined) return { ...own, env };
  if (file !== undefined) return { ...own, file };
  throw new TypeError(`secret ${name} was not checked`);
}

function resolveFiles(files: Readonly<Record<string, FileSpec>>): ResolvedWorkload["files"] {
  return Object.fromEntries(
    sortedEntries(files).map(([path, { content, mode }]) => [path, { content, mode: mode ?? "0644" }]),
  );
}

function resolveSize(size: string | CustomSize, context: SpecContext): ResolvedSize {
  if (typeof size !== "string") return { name: null, ...measured(parseSize(size)) };
  const known = Object.hasOwn(context.sizes, size) ? context.sizes[size] : undefined;
  if (known === undefined) throw new TypeError(`size ${size} was not checked against this catalogue`);
  return { name: size, ...measured(known) };
}

/** In one order of keys, whatever the catalogue's. */
function measured({ cpu, memoryBytes, diskBytes, gpu, spot }: SizeSpec): Omit<ResolvedSize, "name"> {
  return {
    cpu,
    memoryBytes,
    ...(diskBytes !== undefined && { diskBytes }),
    ...(gpu !== undefined && {
      gpu: {
        count: gpu.count,
        ...(gpu.type !== undefined && { type: gpu.type }),
        ...(gpu.slice !== undefined && { slice: gpu.slice }),
      },
    }),
    spot: spot ?? false,
  };
}

/** A size as written in a file or in the server's catalogue, in numbers. Throws a TypeError for one that was not checked. */
export function parseSize({ cpu, memory, disk, gpu, spot }: CustomSize): SizeSpec {
  const cores = parseCpu(cpu);
  const memoryBytes = parseBytes(memory);
  const diskBytes = disk === undefined ? undefined : parseBytes(disk);
  if (cores === undefined || memoryBytes === undefined) throw new TypeError("size was not checked");
  return {
    cpu: cores,
    memoryBytes,
    ...(diskBytes !== undefined && { diskBytes }),
    ...(gpu !== undefined && { gpu: { ...gpu, count: gpu.count ?? 1 } }),
    ...(spot !== undefined && { spot }),
  };
}

export function duration(text: string | undefined, fallbackSeconds: number): number {
  if (text === undefined) return fallbackSeconds;
  const seconds = parseDuration(text);
  if (seconds === undefined) throw new TypeError(`duration ${text} was not checked`);
  return seconds;
}

/** Sorted by key, every value as text. */
export function textMap(map: Readonly<Record<string, Scalar>> = {}): Record<string, string> {
  return Object.fromEntries(sortedEntries(map).map(([key, value]) => [key, String(value)]));
}

export function sortedEntries<Value>(map: Readonly<Record<string, Value>>): [string, Value][] {
  // By code unit, not by locale: the order must be the same on every machine.
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
}
