import { isDeepStrictEqual } from "node:util";
import type { CommitSha } from "../../core/names.ts";
import { WaybillError } from "../../core/errors.ts";
import type { Repository } from "../../git/repository.ts";
import type { SpecContext } from "../../spec/context.ts";
import type { DeploymentSpec } from "../../spec/deployment.ts";
import type { RepositorySettings } from "../../spec/repository-settings.ts";
import { formatProblem, type Problem } from "../../spec/problem.ts";
import { makeChecker, type CheckedRepository, type Checker, type IdentifiedFile } from "../../spec/repository.ts";
import type { ResolvedDeployment } from "../../spec/resolved.ts";
import { resolve } from "../../spec/resolve.ts";
import { define, partsOf, sourcePath, type Definition } from "./definition.ts";

/** What release reads of a repository. */
export type Objects = Pick<Repository, "name" | "readFiles" | "treesAt">;

/** What a commit says of one environment; with problems, `definitions` holds only what was understood. */
export interface Defined {
  readonly definitions: ReadonlyMap<string, Definition>;
  readonly problems: readonly Problem[];
  readonly settings: RepositorySettings;
}

export interface Definitions {
  /** Reads and checks a commit's files. Throws only when the repository cannot be read. */
  check(objects: Objects, commit: CommitSha, defaultBranch: string): Promise<CheckedRepository>;
  /** What the commit defines for an environment. */
  at(objects: Objects, commit: CommitSha, environment: string, defaultBranch: string): Promise<Defined>;
  /** The same for files that are in no commit; `trees` gives their source trees by path. */
  ofFiles(files: readonly IdentifiedFile[], trees: TreeLookup, environment: string, defaultBranch: string): Defined;
}

type TreeLookup = (path: string) => Definition["source"];

const maxRemembered = 32;

/** Reads definitions from Git objects. Results are remembered by commit, and file by file within the checker. */
export function makeDefinitions({ context }: { readonly context: SpecContext }): Definitions {
  const checkers = new Map<string, Checker>();
  const checked = makeMemory<CheckedRepository>();
  const defined = makeMemory<Defined>();

  const checkerFor = (defaultBranch: string): Checker => {
    const checker = checkers.get(defaultBranch) ?? makeChecker({ ...context, defaultBranch });
    checkers.set(defaultBranch, checker);
    return checker;
  };

  const check: Definitions["check"] = (objects, commit, defaultBranch) =>
    checked(`${objects.name} ${commit} ${defaultBranch}`, async () => {
      const { files, problems } = await objects.readFiles(commit);
      const result = checkerFor(defaultBranch).check(files);
      return { ...result, problems: [...problems, ...result.problems] };
    });

  const defineOne = makeDefine(context);

  return {
    check,
    at: (objects, commit, environment, defaultBranch) =>
      defined(`${objects.name} ${commit} ${environment} ${defaultBranch}`, async () => {
        const result = await check(objects, commit, defaultBranch);
        const paths = new Set(
          result.deployments.flatMap((document) =>
            partsOf(defineOne.resolved(document, environment)).map(([, part]) => sourcePath(part) ?? "."),
          ),
        );
        const trees = await objects.treesAt(commit, [...paths]);
        return defineAll(result, (path) => trees.get(path) ?? null, { environment, defineOne });
      }),
    ofFiles: (files, trees, environment, defaultBranch) =>
      defineAll(checkerFor(defaultBranch).check(files), trees, { environment, defineOne }),
  };
}

interface DefineOne {
  resolved(document: DeploymentSpec, environment: string): ResolvedDeployment;
  define(
    spec: ResolvedDeployment,
    place: Pick<Definition, "source" | "sources" | "target">,
    document: DeploymentSpec,
  ): Definition;
  /** The target of an environment, by name. */
  target(environment: string, settings: RepositorySettings): string;
}

// The one target of a server without settings.
const fallbackTarget = "local";

/** Equal documents come as the same object from the checker: what they mean is worked out once. */
function makeDefine(context: SpecContext): DefineOne {
  const resolvedOf = new WeakMap<DeploymentSpec, Map<string, ResolvedDeployment>>();
  const definitionOf = new WeakMap<ResolvedDeployment, Definition>();
  return {
    resolved(document, environment) {
      const known = resolvedOf.get(document) ?? new Map<string, ResolvedDeployment>();
      resolvedOf.set(document, known);
      const spec = known.get(environment) ?? resolve(document, environment, context);
      known.set(environment, spec);
      return spec;
    },
    target: (environment, { environments }) =>
      environments[environment]?.target ?? context.defaultTarget ?? fallbackTarget,
    define(spec, place, document) {
      const known = definitionOf.get(spec);
      const isKnown = known?.source === place.source && known.target === place.target;
      if (isKnown && isDeepStrictEqual(known.sources, place.sources)) return known;
      const isFiredThere = spec.kind === "job" && context.cronJobTargets?.includes(place.target) === true;
      const definition = define(spec, { ...place, ...(isFiredThere && { cronJobs: true }) }, document);
      definitionOf.set(spec, definition);
      return definition;
    },
  };
}

interface Defining {
  readonly environment: string;
  readonly defineOne: DefineOne;
}

function defineAll(
  { deployments, problems, settings }: CheckedRepository,
  trees: TreeLookup,
  { environment, defineOne }: Defining,
): Defined {
  const definitions = new Map<string, Definition>();
  const missing: Problem[] = [];
  const target = defineOne.target(environment, settings);
  for (const document of deployments) {
    const spec = defineOne.resolved(document, environment);
    const found = partsOf(spec).map(([name, part]): readonly [string, Definition["source"]] => {
      const path = sourcePath(part);
      const source = path === null ? null : trees(path);
      if (path !== null && source === null) missing.push(sourceMissing(document, path));
      return [name, source];
    });
    const sources = spec.kind === "service" && spec.main !== null ? { sources: Object.fromEntries(found) } : {};
    const source = spec.kind === "service" && spec.main !== null ? null : (found[0]?.[1] ?? null);
    definitions.set(spec.name, defineOne.define(spec, { source, ...sources, target }, document));
  }
  return { definitions, problems: [...problems, ...missing], settings };
}

function sourceMissing({ file, line }: DeploymentSpec, path: string): Problem {
  const message = `source.path ${JSON.stringify(path)} is no folder of this commit: commit it, or correct the path`;
  return { file, line, column: 1, code: "SOURCE_NOT_FOUND", message };
}

/** Refuses a commit whose files have problems; the message lists them all. */
export function refuseProblems(problems: readonly Problem[]): void {
  if (problems.length > 0) throw new WaybillError("SPEC_INVALID", problems.map(formatProblem).join("\n"));
}

function makeMemory<Value>(): (key: string, make: () => Promise<Value>) => Promise<Value> {
  const kept = new Map<string, Value>();
  return async (key, make) => {
    const known = kept.get(key);
    if (known !== undefined) return known;
    const value = await make();
    kept.set(key, value);
    const oldest = kept.keys().next().value;
    if (kept.size > maxRemembered && oldest !== undefined) kept.delete(oldest);
    return value;
  };
}
