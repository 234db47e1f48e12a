import { isName } from "../../core/names.ts";
import type { SpecContext } from "../context.ts";
import type { Kind } from "../deployment.ts";
import { overlay } from "../overlay.ts";
import type { Finding, Path } from "../problem.ts";
import { formatPath } from "../problem.ts";
import type { Calendar } from "../rules/calendar.ts";
import type { Draft, Inspection } from "../rules/draft.ts";
import { isWrittenIn, prune } from "../rules/draft.ts";
import type { ParameterCheck } from "../parameters/parameters.ts";
import { checkJob } from "../rules/job.ts";
import { didYouMean, nearest } from "../rules/nearest.ts";
import { checkReplicas, checkRouting } from "../rules/routing.ts";
import { checkInside, checkWorkload } from "../rules/workload.ts";
import { kinds, kindsWith } from "../schema/deployment.ts";
import { explain, show } from "../schema/explain.ts";
import type { Validator } from "../schema/validator.ts";

/** What documents are checked with. */
export interface Tools {
  readonly context: SpecContext;
  readonly calendar: Calendar;
  readonly validators: (pointer: string) => Validator;
  readonly parameterProblems: ParameterCheck;
}

export interface UncheckedDocument {
  readonly value: unknown;
  /** What the file's name says, for a document that gives no name. */
  readonly derivedName: string;
  readonly ambiguous: readonly Path[];
}

const maxFindings = 200;

/** Everything that is wrong with one document of `deployments/`, by itself. */
export function findProblems(document: UncheckedDocument, tools: Tools): Finding[] {
  const { value } = document;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [{ path: [], at: "value", code: "FIELD_TYPE", message: `a deployment is a map, found ${show(value)}` }];
  }
  const { kind, findings } = kindOf(value as Record<string, unknown>);
  if (kind === undefined) return findings;
  findings.push(...shapeProblems(value, kind, tools));
  // So much is wrong that it is another kind of file: looking further would cost more than it tells.
  if (findings.length > maxFindings) return findings;
  const draft = { ...(findings.length === 0 ? value : (prune(value, findings) as object)), kind } as Draft;
  findings.push(...ruleProblems(draft, document, tools));
  for (const path of document.ambiguous) findings.push(...ambiguity(path));
  findings.push(...overlayProblems({ draft, document, known: findings }, tools));
  return findings;
}

/** A misspelt kind is taken for what it was meant to be, so that the rest is still checked. */
function kindOf(value: Record<string, unknown>): { kind: Kind | undefined; findings: Finding[] } {
  const { kind } = value;
  const known = kinds.find((candidate) => candidate === kind);
  if (known !== undefined) return { kind: known, findings: [] };
  const list = kinds.join(", ");
  const at = { path: ["kind"], at: "value" } as const;
  if (typeof kind !== "string") {
    const isMissing = !Object.hasOwn(value, "kind");
    const finding: Finding = isMissing
      ? { path: [], at: "value", code: "FIELD_MISSING", message: `a deployment needs "kind": one of ${list}` }
      : { ...at, code: "KIND_UNKNOWN", message: `kind ${show(kind)} is not one of ${list}.` };
    return { kind: undefined, findings: [finding] };
  }
  const message = `kind ${show(kind)} is not one of ${list}.${didYouMean(kind, kinds)}`;
  return { kind: nearest(kind, kinds) as Kind | undefined, findings: [{ ...at, code: "KIND_UNKNOWN", message }] };
}

function shapeProblems(value: unknown, kind: Kind, { validators }: Tools): Finding[] {
  const validator = validators(`#/$defs/${kind}`);
  if (validator.accepts(value)) return [];
  const foreignKey = (key: string, path: Path): { code: "FIELD_NOT_FOR_KIND"; message: string } | undefined => {
    const isOverlay = path.length === 2 && path[0] === "environments";
    const others = path.length === 0 || isOverlay ? kindsWith(key) : [];
    if (others.length === 0) return undefined;
    const owners = others.map((other) => `a ${other}`).join(", ");
    return { code: "FIELD_NOT_FOR_KIND", message: `${key} is a field of ${owners}, not of a ${kind}: remove it` };
  };
  const found = explain(validator.errors(value), value, { name: `a ${kind}`, foreignKey });
  // A kind that is unknown has been named already.
  return found.filter(({ path }) => !(path.length === 1 && path[0] === "kind"));
}

function ruleProblems(draft: Draft, document: UncheckedDocument, tools: Tools): Finding[] {
  const findings: Finding[] = [];
  const inspection: Inspection = {
    draft,
    context: tools.context,
    calendar: tools.calendar,
    report: (path, code, message, at = "value") => findings.push({ path, at, code, message }),
    isWritten: (path) => isWrittenIn(document.value, path),
  };
  checkName(inspection, document);
  checkWorkload(inspection, draft, []);
  checkCommand(inspection);
  switch (draft.kind) {
    case "service":
      checkRouting(inspection, draft.name ?? document.derivedName);
      break;
    case "worker":
      checkReplicas(inspection, draft.replicas, ["replicas"]);
      break;
    case "job":
      checkJob(inspection, tools.parameterProblems);
      break;
    case "site":
      checkRouting(inspection, draft.name ?? document.derivedName);
      checkSite(inspection);
      break;
    default:
      draft.kind satisfies never;
  }
  return findings;
}

function checkName({ draft, report }: Inspection, { value, derivedName }: UncheckedDocument): void {
  if (draft.name !== undefined || Object.hasOwn(value as object, "name") || isName(derivedName)) return;
  const wanted = "1 to 40 of a-z, 0-9 and -, without -- and without - at either end";
  report([], "NAME_INVALID", `the file's name ${show(derivedName)} is not a deployment's name (${wanted}): add "name"`);
}

function checkCommand({ draft, report, isWritten }: Inspection): void {
  if (draft.kind === "site" || isWritten(["command"])) return;
  if (draft.source?.image !== undefined || draft.components !== undefined) return;
  report([], "FIELD_MISSING", `a ${draft.kind} needs "command": add it`);
}

function checkSite({ draft, report }: Inspection): void {
  if (draft.folder !== undefined) checkInside(report, draft.folder, ["folder"]);
  if (draft.source?.image !== undefined) {
    report(["source", "image"], "FIELD_NOT_FOR_KIND", "a site has files, not an image: use source.path", "key");
  }
}

/** Numbers are read as numbers: only where text is wanted does it matter how they are written. */
function ambiguity(path: Path): Finding[] {
  const [name] = path.slice(-2);
  if (name !== "env" && name !== "tags") return [];
  const message = `${formatPath(path)} would lose how it is written, being read as a number: put it in quotes`;
  return [{ path, at: "value", code: "ENV_AMBIGUOUS", message }];
}

interface OverlayCheck {
  readonly draft: Draft;
  readonly document: UncheckedDocument;
  /** What is wrong without any overlay. */
  readonly known: readonly Finding[];
}

/** What is wrong only with an overlay laid over: in a whole that its parts do not show. */
function overlayProblems({ draft, document, known }: OverlayCheck, tools: Tools): Finding[] {
  const { environments, ...base } = draft as Draft & { environments?: Record<string, object | null> };
  if (environments === undefined) return [];
  const told = new Set(known.map(identity));
  const findings: Finding[] = [];
  for (const [environment, over] of Object.entries(environments)) {
    if (over === null) continue;
    const merged = overlay(base, over);
    // What is missing from the base makes the whole invalid in each environment: said once, of the base.
    const isShapeKnown = known.some(({ path }) => path[0] !== "environments") || mergesNoShapes(over);
    const shape = isShapeKnown ? [] : shapeProblems(merged, draft.kind, tools);
    const needsParameters = ["parameters", "schedules", "after", "events"].some((key) => Object.hasOwn(over, key));
    findings.push(...relocated(shape, environment, over, told));
    if (findings.length > maxFindings) return findings;
    const ruled = ruleProblems(
      shape.length === 0 ? merged : { ...(prune(merged, shape) as object), kind: draft.kind },
      { ...document, value: merged },
      needsParameters ? tools : { ...tools, parameterProblems: () => [] },
    );
    findings.push(...relocated(ruled, environment, over, told));
  }
  return findings;
}

/** True when nothing is merged but single variables: what replaces whole fields is as right there as by itself. */
function mergesNoShapes(over: object): boolean {
  return Object.entries(over).every(
    ([key, value]) => key === "env" || typeof value !== "object" || Array.isArray(value),
  );
}

/** Findings of a merged whole, at the place in its overlay; without those that are told of the base. */
function relocated(
  findings: readonly Finding[],
  environment: string,
  over: object,
  told: ReadonlySet<string>,
): Finding[] {
  return findings
    .filter((finding) => !told.has(identity(finding)))
    .map((finding) => ({
      ...finding,
      path: ["environments", environment, ...within(over, finding.path)],
      message: `${finding.message} (in environment ${environment})`,
    }));
}

function identity({ path, code, message }: Finding): string {
  return `${code} ${JSON.stringify(path)} ${message}`;
}

/** As much of a path as the overlay itself writes. */
export function within(over: object, path: Path): Path {
  let value: unknown = over;
  for (const [index, step] of path.entries()) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return path.slice(0, index);
    value = (value as Record<string | number, unknown>)[step];
  }
  return path;
}
