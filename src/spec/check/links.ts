import type { DeploymentSpec } from "../deployment.ts";
import { overlay } from "../overlay.ts";
import type { Path } from "../problem.ts";
import { formatPath } from "../problem.ts";
import { followsOf } from "../rules/job.ts";
import { didYouMean } from "../rules/nearest.ts";
import type { CrossFinding } from "./across.ts";
import { within } from "./document.ts";
import type { CheckedDocument } from "./file.ts";

/** A job that a deployment names. */
interface Link {
  readonly document: CheckedDocument;
  readonly job: string;
  /** In the whole that the environment makes of it. */
  readonly field: Path;
  /** Where it is written. */
  readonly path: Path;
}

interface LinkOptions {
  /** No document was left out for its own problems: a job that is not there is nowhere. */
  readonly isComplete: boolean;
}

/** Jobs that deployments name in vain, and jobs that follow each other in a circle. */
export function findLinkProblems(documents: readonly CheckedDocument[], options: LinkOptions): CrossFinding[] {
  const jobs = documents.filter(({ spec }) => spec.kind === "job").map(({ spec }) => spec.name);
  const linksIn = (environment?: string): readonly Link[] =>
    documents.flatMap((document) => linksOf(document, environment));
  const check = (links: readonly Link[]): CrossFinding[] => [
    ...(options.isComplete ? unknownJobs(links, jobs) : []),
    ...circles(links),
  ];
  const everywhere = check(linksIn());
  const told = new Set(everywhere.map(identity));
  const inEnvironments = environmentsWithLinks(documents).flatMap((environment) =>
    check(linksIn(environment))
      .filter((finding) => !told.has(identity(finding)))
      .map((finding) => ({ ...finding, message: `${finding.message} (in environment ${environment})` })),
  );
  return [...everywhere, ...inEnvironments];
}

const identity = ({ document, code, message }: CrossFinding): string => `${document.spec.name} ${code} ${message}`;

const linking = ["after", "deploy"];

function environmentsWithLinks(documents: readonly CheckedDocument[]): readonly string[] {
  const names = documents.flatMap(({ spec }) =>
    Object.entries(spec.environments ?? {}).flatMap(([environment, over]) =>
      linking.some((key) => Object.hasOwn(over, key)) ? [environment] : [],
    ),
  );
  return [...new Set(names)];
}

function linksOf(document: CheckedDocument, environment: string | undefined): readonly Link[] {
  const { spec } = document;
  const overlays = spec.environments ?? {};
  const over = environment !== undefined && Object.hasOwn(overlays, environment) ? overlays[environment] : undefined;
  if (over === undefined) return namesOf(spec).map(([job, path]) => ({ document, job, field: path, path }));
  return namesOf(overlay<DeploymentSpec>(spec, over)).map(([job, field]) => {
    const [key = ""] = field;
    const isOverlaid = Object.hasOwn(over, key);
    const path = isOverlaid ? ["environments", environment ?? "", ...within(over, field)] : field;
    return { document, job, field, path };
  });
}

function namesOf(spec: DeploymentSpec): readonly (readonly [job: string, path: Path])[] {
  if (spec.kind === "job") return followsOf(spec.after).map(([{ job }, at]) => [job, [...at, "job"]]);
  return (["before", "after"] as const).flatMap((when) => {
    const job = spec.deploy?.[when];
    return job === undefined ? [] : [[job, ["deploy", when]] as const];
  });
}

function unknownJobs(links: readonly Link[], jobs: readonly string[]): CrossFinding[] {
  const known = new Set(jobs);
  return links
    .filter(({ job }) => !known.has(job))
    .map(({ document, job, field, path }) => {
      const what = `${formatPath(field)} "${job}" is no job of these files.`;
      return { document, path, at: "value", code: "JOB_UNKNOWN", message: `${what}${didYouMean(job, jobs)}` };
    });
}

/** Each circle once, at the entry that closes it. */
function circles(links: readonly Link[]): CrossFinding[] {
  const follows = links.filter(({ document }) => document.spec.kind === "job");
  const linksFrom = Map.groupBy(follows, ({ document }) => document.spec.name as string);
  const done = new Set<string>();
  const findings: CrossFinding[] = [];
  for (const start of linksFrom.keys()) {
    // By hand, not by calls: a chain may be as long as there are files.
    const way: { name: string; left: Link[] }[] = [];
    const onWay = new Set<string>();
    const enter = (name: string): void => {
      way.push({ name, left: [...(linksFrom.get(name) ?? [])] });
      onWay.add(name);
    };
    if (!done.has(start)) enter(start);
    for (let here = way.at(-1); here !== undefined; here = way.at(-1)) {
      const link = here.left.shift();
      if (link === undefined) {
        done.add(here.name);
        onWay.delete(here.name);
        way.pop();
      } else if (onWay.has(link.job)) {
        findings.push(
          circle(
            link,
            way.map(({ name }) => name),
          ),
        );
      } else if (!done.has(link.job)) {
        enter(link.job);
      }
    }
  }
  return findings;
}

function circle({ document, job, path }: Link, way: readonly string[]): CrossFinding {
  const names = [...way.slice(way.indexOf(job)), job];
  const shown = names.length > 10 ? [...names.slice(0, 5), "…", ...names.slice(-4)] : names;
  const message =
    names.length === 2
      ? `job "${job}" cannot follow itself: name another job`
      : `jobs follow each other in a circle: ${shown.join(" after ")}`;
  return { document, path, at: "value", code: "JOB_CIRCLE", message };
}
