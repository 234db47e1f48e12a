import type { Clock } from "../../core/clock.ts";
import type { RepositorySettings } from "../../spec/repository-settings.ts";
import type { Defined } from "./definitions.ts";
import type { Deployer } from "../deployer.ts";
import type { Change } from "../plan.ts";
import type { EnvironmentRef } from "../release.ts";
import { scheduleNotices } from "./schedule-notices.ts";
import { desiredOf, nothingAround } from "./workloads.ts";

/** What a plan's changed deployments ask for and will not get, in the user's words. */
export type Notices = (
  environment: EnvironmentRef,
  defined: Pick<Defined, "definitions" | "settings">,
  changes: readonly Change[],
) => readonly string[];

export function makeNotices(deployer: Pick<Deployer, "notices">, clock: Pick<Clock, "now">): Notices {
  return ({ repository, environment }, { definitions, settings }, changes) => [
    ...settingsNotices(environment, settings),
    ...changes.flatMap(({ name, action }) => {
      if (action === "delete" || action === "unchanged") return [];
      const definition = definitions.get(name);
      if (!definition) return [];
      const { workload } = desiredOf({ repository, environment, deployment: name }, definition, nothingAround);
      if (!workload) return [];
      const { spec } = workload;
      const schedules = spec.kind === "job" ? scheduleNotices(spec.schedules, clock.now()) : [];
      return [...deployer.notices(workload, action), ...schedules].map((notice) => `${name}: ${notice}`);
    }),
  ];
}

/** What waybill.yaml asks for and this server does not do yet. */
export function settingsNotices(
  environment: string,
  { environments, previews }: RepositorySettings,
): readonly string[] {
  const { approvals = 0, freeze = [], promoteFrom } = environments[environment] ?? {};
  const where = `waybill.yaml: ${environment}`;
  return [
    ...(approvals > 0 ? [`${where}: approvals are not asked for yet: each push is deployed`] : []),
    ...(freeze.length > 0 ? [`${where}: freeze is not kept yet: pushes are deployed at any time`] : []),
    ...(promoteFrom === undefined
      ? []
      : [`${where}: promotion is by a tag of your own until there is a command for it`]),
    ...(previews?.pullRequests ? ["waybill.yaml: previews of pull requests are not made yet"] : []),
  ];
}
