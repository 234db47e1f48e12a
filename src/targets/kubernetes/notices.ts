import type { ResolvedService, ResolvedWorker } from "../../spec/resolved.ts";
import type { KubernetesTargetSettings } from "../../spec/server-settings.ts";
import { refusals as siteRefusals } from "../local/notices.ts";
import type { Workload } from "../workload.ts";
import { imageOf } from "./runtimes.ts";
import { sizeProblem } from "./sizes.ts";

type Settings = Pick<KubernetesTargetSettings, "runtimes" | "gpus" | "sourceUrl">;

/** What stands in the file and cannot be done on this target: applying it is refused with these words. */
export function refusals(workload: Workload, settings: Settings): readonly string[] {
  const { spec } = workload;
  if (spec.kind === "job") return [];
  if (spec.kind === "site") return siteRefusals(workload);
  return [...sourceRefusals(workload, spec, settings), ...fileRefusals(spec), ...sizeRefusals(spec, settings)];
}

/** What is accepted but done otherwise than the file says, in the user's words. */
export function notices(workload: Workload, settings: Settings): readonly string[] {
  const { spec } = workload;
  if (spec.kind === "job") return ["jobs are checked but not run yet by this server"];
  return refusals(workload, settings);
}

type Running = ResolvedService | ResolvedWorker;

function sourceRefusals({ source }: Workload, spec: Running, { runtimes, sourceUrl }: Settings): readonly string[] {
  if (spec.kind === "service" && Object.keys(spec.components).length > 0) {
    return ["components are not run by this target yet: make each a deployment of its own"];
  }
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
