import type { ResolvedJob, ResolvedService, ResolvedWorker } from "../../spec/resolved.ts";
import type { KubernetesTargetSettings } from "../../spec/server-settings.ts";
import { refusals as siteRefusals } from "../local/notices.ts";
import type { WorkloadOf } from "../../../templates/local/parts.ts";
import type { Workload } from "../workload.ts";
import { componentsOf, hasComponents, ofComponent } from "./components.ts";
import { pullSecretName } from "./place.ts";
import { imageOf } from "./runtimes.ts";
import { cronJobNotices } from "./schedules/cron-job.ts";
import { sizeProblem } from "./sizes.ts";

type Settings = Pick<KubernetesTargetSettings, "runtimes" | "gpus" | "sourceUrl">;

/** What stands in the file and cannot be done on this target: applying it is refused with these words. */
export function refusals(workload: Workload, settings: Settings): readonly string[] {
  const { spec } = workload;
  if (spec.kind === "site") return siteRefusals(workload);
  if (hasComponents(spec)) return componentRefusals({ ...workload, spec }, settings);
  return [
    ...sourceRefusals(workload, spec, settings),
    ...secretRefusals(spec),
    ...fileRefusals(spec),
    ...sizeRefusals(spec, settings),
  ];
}

/** What is accepted but done otherwise than the file says, in the user's words. */
export function notices(workload: Workload, settings: Settings): readonly string[] {
  const { spec } = workload;
  if (spec.kind === "job") {
    return [...refusals(workload, settings), ...jobNotices(settings), ...cronJobNotices({ ...workload, spec })];
  }
  return [...refusals(workload, settings), ...(hasComponents(spec) ? componentNotices(spec) : [])];
}

/** What a run leaves is handed over by a program of a runtime's image, to the server's own address. */
export const keepsOutput = ({ runtimes, sourceUrl }: Settings): boolean =>
  sourceUrl !== undefined && (runtimes.node ?? runtimes.python) !== undefined;

const jobNotices = (settings: Settings): readonly string[] =>
  keepsOutput(settings)
    ? []
    : [
        "results and files of runs are not kept: an administrator sets sourceUrl, and runtimes.node or runtimes.python, of the target in the server's settings",
      ];

type Running = ResolvedService | ResolvedWorker | ResolvedJob;

function sourceRefusals({ source }: Workload, spec: Running, { runtimes, sourceUrl }: Settings): readonly string[] {
  if (spec.source.from === "git") return ["source.git is not fetched yet: use source.path, or source.image"];
  if (spec.source.from !== "image") {
    if (source === null) return ["its source tree is not known"];
    if (spec.command === null) return ["a program from source needs a command"];
    if (sourceUrl === undefined) {
      return [
        "this target cannot fetch sources: an administrator sets sourceUrl of the target in the server's settings",
      ];
    }
  }
  const image = imageOf(spec, runtimes);
  return typeof image === "string" ? [image] : [];
}

function componentRefusals(workload: WorkloadOf<"service">, settings: Settings): readonly string[] {
  return [...componentsOf(workload)].flatMap(([name, part]) =>
    refusals(part, settings).map((reason) => ofComponent(name, reason)),
  );
}

function componentNotices({ components }: ResolvedService): readonly string[] {
  const all = Object.entries(components);
  const sleepless = all.filter(([, { replicas }]) => replicas.min === 0).map(([name]) => name);
  return sleepless.length > 0 ? [`components do not sleep: ${sleepless.join(", ")} runs one replica at least`] : [];
}

// The pull secret is the administrator's, and what Waybill makes for a revision or a run is nobody's to name.
const ownSecret = /-[0-9a-f]{8}(?:--[a-z0-9-]+)?-(?:secrets|source)$|^run-[a-z0-9-]+-\d+$/;

function secretRefusals({ secrets }: Running): readonly string[] {
  return secrets
    .filter(({ name, key }) => key !== undefined && (name === pullSecretName || ownSecret.test(name)))
    .map(({ name }) => `secret ${name}: with a key it is Waybill's own: name another`);
}

function fileRefusals({ source, files, workingDir }: Running): readonly string[] {
  if (source.from !== "image" || workingDir !== ".") return [];
  return Object.keys(files)
    .filter((path) => !path.startsWith("/"))
    .map(
      (path) => `files: ${path}: where an image's program runs is not known: use an absolute path, or set workingDir`,
    );
}

function sizeRefusals({ size }: Running, { gpus }: Settings): readonly string[] {
  const problem = sizeProblem(size, gpus);
  return problem === null ? [] : [problem];
}
