import { createHash } from "node:crypto";
import type { TreeSha } from "../../core/names.ts";
import type { ResolvedDeployment } from "../../spec/resolved.ts";
import type { ComponentSources } from "../workload.ts";

/** A deployment as one commit defines it for one environment. */
export interface Definition {
  readonly name: string;
  readonly kind: ResolvedDeployment["kind"];
  readonly spec: ResolvedDeployment;
  /** The source tree; null where the deployment brings an image or a repository of its own. */
  readonly source: TreeSha | null;
  /** Of a deployment of components, the source tree of each; `source` is then null. */
  readonly sources?: ComponentSources;
  /** Name of the target that it runs on. */
  readonly target: string;
  /** Of a job whose target fires what it can of its schedules. */
  readonly cronJobs?: true;
  /** Where its document starts. */
  readonly position: { readonly file: string; readonly line: number };
  /** Equal digests: equal content, nothing restarts. */
  readonly digest: string;
}

/** `target`: of the environment, by its name in the server's settings. */
export function define(
  spec: ResolvedDeployment,
  { source, sources, target, cronJobs }: Pick<Definition, "source" | "sources" | "target" | "cronJobs">,
  { file, line }: Definition["position"],
): Definition {
  return {
    name: spec.name,
    kind: spec.kind,
    spec,
    source,
    ...(sources && { sources }),
    target,
    ...(cronJobs && { cronJobs }),
    position: { file, line },
    digest: digestOf({ spec, source, target, ...(sources && { sources }), ...(cronJobs && { cronJobs }) }),
  };
}

/** Those of `after` that `before` has otherwise, or not at all. */
export const changedDefinitions = (before: Definitions, after: Definitions): readonly Definition[] =>
  [...after.values()].filter(({ name, digest }) => before.get(name)?.digest !== digest);

type Definitions = ReadonlyMap<string, Definition>;

/** SHA-256, in hex, of the value's JSON text; equal values must come with equal key order. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}

/** What is wanted of a deployment that is to be removed. */
export const removalDigest = digestOf(null);

/** Path of the source tree within the repository, `.` for its root; null where the source is elsewhere. */
export function sourcePath({ source }: Pick<ResolvedDeployment, "source">): string | null {
  return source.from === "repository" ? source.path : null;
}

/** Whatever has a source of its own: the components by their names, or the deployment itself. */
export function partsOf(spec: ResolvedDeployment): readonly (readonly [string, Pick<ResolvedDeployment, "source">])[] {
  const components = spec.kind === "service" ? Object.entries(spec.components) : [];
  return components.length > 0 ? components : [[spec.name, spec]];
}

/** The host names' first labels: the deployment's own first. A worker or a job has none. */
export function hostsOf(spec: ResolvedDeployment): readonly string[] {
  if (spec.kind !== "service" && spec.kind !== "site") return [];
  return spec.routes.map(({ subdomain }) => hostLabel(spec.environment, subdomain));
}

/** `NAME` in production, `ENVIRONMENT--NAME` elsewhere (design, decision 11). */
export function hostLabel(environment: string, subdomain: string): string {
  return environment === "production" ? subdomain : `${environment}--${subdomain}`;
}
