import type { TreeSha } from "../../../core/names.ts";
import type { ResolvedJob, ResolvedService, ResolvedWorker } from "../../../spec/resolved.ts";
import { namespaceOf } from "../names.ts";
import type { Workload } from "../../workload.ts";
import type { Runtime } from "../runtimes.ts";
import type { PodResources } from "../sizes.ts";
import { keyOf, type MadeSource } from "./made-source.ts";

interface SourceContext {
  /** The target's name. */
  readonly target: string;
  readonly image: string;
  readonly runtime: Runtime;
  readonly resources: PodResources;
}

/** What a workload's pods fetch: its tree, or what is made of that first. */
export interface WorkloadSource {
  readonly key: string;
  readonly made: MadeSource | null;
}

type Running = Workload & { readonly spec: ResolvedService | ResolvedWorker | ResolvedJob };

/** Files for elsewhere than the source are mounted one by one; those within lie in it. */
export function sourceOf(
  { spec, stack, source, restart }: Running,
  { target, image, runtime, resources }: SourceContext,
): WorkloadSource {
  const files = Object.fromEntries(Object.entries(spec.files).filter(([path]) => !path.startsWith("/")));
  const tree = (source ?? "") as TreeSha;
  if (spec.build === null && Object.keys(files).length === 0) return { key: tree, made: null };
  const made: MadeSource = {
    stack,
    target,
    namespace: namespaceOf(stack),
    tree,
    workingDir: spec.workingDir,
    files,
    restart,
    build:
      spec.build === null
        ? null
        : {
            command: spec.build,
            env: spec.env,
            image,
            runtime,
            requests: withoutCards(resources.requests),
            limits: withoutCards(resources.limits),
          },
  };
  return { key: keyOf(made), made };
}

/** What a program computes on is not for its build to hold. */
const withoutCards = (amounts: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(amounts).filter(([name]) => name === "cpu" || name === "memory"));
