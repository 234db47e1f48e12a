import type { Definition } from "./definition.ts";
import type { Deployer } from "../deployer.ts";
import type { Change } from "../plan.ts";
import type { EnvironmentRef } from "../release.ts";
import { desiredOf, type Surroundings } from "./workloads.ts";

/** What a plan's changed deployments ask for and will not get, in the user's words. */
export type Notices = (
  environment: EnvironmentRef,
  definitions: ReadonlyMap<string, Definition>,
  changes: readonly Change[],
) => readonly string[];

const nothingAround: Surroundings = { secretVersions: new Map(), overrides: new Map() };

export function makeNotices(deployer: Pick<Deployer, "notices">): Notices {
  return ({ repository, environment }, definitions, changes) =>
    changes
      .filter(({ action }) => action === "create" || action === "update" || action === "replace")
      .flatMap(({ name }) => {
        const definition = definitions.get(name);
        if (!definition) return [];
        const { workload } = desiredOf({ repository, environment, deployment: name }, definition, nothingAround);
        return workload ? deployer.notices(workload).map((notice) => `${name}: ${notice}`) : [];
      });
}
