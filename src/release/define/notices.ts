import type { Clock } from "../../core/clock.ts";
import type { RepositorySettings } from "../../spec/repository-settings.ts";
import type { ResolvedSchedule } from "../../spec/resolved.ts";
import type { Defined } from "./definitions.ts";
import type { Deployer } from "../deployer.ts";
import type { Change } from "../plan.ts";
import type { EnvironmentRef } from "../release.ts";
import type { ReleaseStore } from "../store.ts";
import type { Workload } from "../workload.ts";
import { scheduleNotices, type JobPauses } from "./schedule-notices.ts";
import { desiredOf, nothingAround } from "./workloads.ts";

/** What a plan's changed deployments ask for and will not get, in the user's words. */
export type Notices = (
  environment: EnvironmentRef,
  defined: Pick<Defined, "definitions" | "settings">,
  changes: readonly Change[],
) => Promise<readonly string[]>;

interface Parts {
  readonly deployer: Pick<Deployer, "notices">;
  readonly store: Pick<ReleaseStore, "overrides" | "schedulePauses">;
  readonly clock: Pick<Clock, "now">;
}

export function makeNotices({ deployer, store, clock }: Parts): Notices {
  return async (environment, { definitions, settings }, changes) => {
    const changed = changes.flatMap((change) => changedOf(environment, change, definitions));
    const hasSchedules = changed.some(({ workload }) => schedulesOf(workload).length > 0);
    const pausesOf = hasSchedules ? await readPauses(store, environment) : () => nothingPaused;
    return [
      ...settingsNotices(environment.environment, settings),
      ...changed.flatMap(({ name, action, workload }) =>
        [
          ...deployer.notices(workload, action),
          ...scheduleNotices(schedulesOf(workload), pausesOf(name), clock.now()),
        ].map((notice) => `${name}: ${notice}`),
      ),
    ];
  };
}

function changedOf(
  { repository, environment }: EnvironmentRef,
  { name, action }: Change,
  definitions: Defined["definitions"],
) {
  const definition = definitions.get(name);
  if (action === "delete" || action === "unchanged" || !definition) return [];
  const { workload } = desiredOf({ repository, environment, deployment: name }, definition, nothingAround);
  return workload ? [{ name, action, workload }] : [];
}

/** Those that start runs, as the file has it. */
const schedulesOf = ({ spec }: Workload): readonly ResolvedSchedule[] =>
  spec.kind === "job" && spec.state === "running" ? spec.schedules.filter(({ isActive }) => isActive) : [];

const nothingPaused: JobPauses = { job: null, schedules: new Map() };

async function readPauses(store: Parts["store"], environment: EnvironmentRef): Promise<(job: string) => JobPauses> {
  const [overrides, schedules] = await Promise.all([store.overrides(environment), store.schedulePauses(environment)]);
  return (job) => ({ job: overrides.get(job)?.pause ?? null, schedules: schedules.get(job) ?? new Map() });
}

/** What waybill.yaml asks for and this server does not do yet. */
export function settingsNotices(
  environment: string,
  { environments, previews }: RepositorySettings,
): readonly string[] {
  const { approvals = 0, freeze = [], promoteFrom, keepRevisions } = environments[environment] ?? {};
  const where = `waybill.yaml: ${environment}`;
  return [
    ...(approvals > 0 ? [`${where}: approvals are not asked for yet: each push is deployed`] : []),
    ...(freeze.length > 0 ? [`${where}: freeze is not kept yet: pushes are deployed at any time`] : []),
    ...(promoteFrom === undefined
      ? []
      : [`${where}: promotion is by a tag of your own until there is a command for it`]),
    ...(keepRevisions === undefined
      ? []
      : [`${where}: keepRevisions is not read yet: of each deployment five revisions are kept`]),
    ...(previews?.pullRequests ? ["waybill.yaml: previews of pull requests are not made yet"] : []),
  ];
}
