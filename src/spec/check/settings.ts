import type { Finding, Path, Problem, SourceFile } from "../problem.ts";
import { formatPath } from "../problem.ts";
import type { EnvironmentSettings, FreezeWindow, PreviewSettings, RepositorySettings } from "../repository-settings.ts";
import { defaultSettings } from "../repository-settings.ts";
import type { Drafted } from "../rules/draft.ts";
import { prune } from "../rules/draft.ts";
import { didYouMean } from "../rules/nearest.ts";
import { parseDuration } from "../rules/quantities.ts";
import { explain, show } from "../schema/explain.ts";
import { repositorySchema } from "../schema/repository.ts";
import { makeValidators } from "../schema/validator.ts";
import { readText } from "../text/source-text.ts";
import type { Tools } from "./document.ts";
import { inOrder, positioned } from "./file.ts";

export interface CheckedSettings {
  /** Undefined when nothing can be relied on. */
  readonly settings: RepositorySettings | undefined;
  readonly problems: readonly Problem[];
}

interface Freeze {
  readonly cron: string;
  readonly duration: string;
  readonly timezone?: string;
  readonly reason?: string;
}

interface Written {
  readonly environments?: Readonly<
    Record<string, Omit<EnvironmentSettings, "freeze"> & { readonly freeze?: readonly Freeze[] }>
  >;
  readonly previews?: Partial<Omit<PreviewSettings, "expireAfterSeconds">> & { readonly expireAfter?: string };
}

const defaultExpirySeconds = 72 * 3600;
const validators = makeValidators(repositorySchema);

/** Checks waybill.yaml. */
export function checkSettings({ path, bytes }: SourceFile, tools: Tools): CheckedSettings {
  const text = readText(path, bytes);
  const say = (finding: Finding): CheckedSettings => ({
    settings: undefined,
    problems: positioned({ path, text, index: 0 }, [finding]),
  });
  if (text.problems.length > 0) return { settings: undefined, problems: inOrder(text.problems) };
  const [document, second] = text.documents;
  const at = { path: [], at: "value" } as const;
  if (document === undefined)
    return say({ ...at, code: "FILE_EMPTY", message: "the file holds no settings: delete it" });
  if (second !== undefined) {
    const problem = { file: path, line: second.line, column: 1, code: "YAML_TOO_MANY_DOCUMENTS" } as const;
    return {
      settings: undefined,
      problems: [{ ...problem, message: "waybill.yaml holds one document: remove this one" }],
    };
  }
  const { value } = document;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return say({ ...at, code: "FIELD_TYPE", message: `waybill.yaml is a map, found ${show(value)}` });
  }
  const findings = explain(validators("#").errors(value), value, { name: "waybill.yaml" });
  findings.push(...findSettingsProblems(prune(value, findings) as Drafted<Written>, tools));
  const problems = inOrder(positioned({ path, text, index: 0 }, findings));
  return { settings: problems.length === 0 ? complete(value, tools) : undefined, problems };
}

function findSettingsProblems({ environments = {}, previews }: Drafted<Written>, tools: Tools): Finding[] {
  const findings: Finding[] = [];
  const report = (path: Path, code: Finding["code"], message: string): void => {
    findings.push({ path, at: "value", code, message });
  };
  for (const [name, settings] of Object.entries(environments)) {
    const at = ["environments", name];
    const { promoteFrom, branch } = settings ?? {};
    checkTarget(settings?.target, [...at, "target"]);
    if (promoteFrom !== undefined) checkPromotion(name, promoteFrom, [...at, "promoteFrom"]);
    if (promoteFrom !== undefined && branch !== undefined) {
      report(at, "FIELD_CONFLICT", `${name} either follows a branch or is promoted to: keep branch or promoteFrom`);
    }
    for (const [index, window] of (settings?.freeze ?? []).entries()) {
      if (window !== null) checkFreeze(window, [...at, "freeze", index]);
    }
  }
  checkTarget(previews?.target, ["previews", "target"]);
  return findings;

  function checkTarget(target: string | undefined, at: Path): void {
    const { targets } = tools.context;
    if (target === undefined || targets === undefined || targets.includes(target)) return;
    const hint = didYouMean(target, targets) || ` It has ${targets.join(", ")}.`;
    report(at, "TARGET_UNKNOWN", `target "${target}" is not one of this server.${hint}`);
  }

  function checkPromotion(name: string, from: string, at: Path): void {
    if (!Object.hasOwn(environments, from)) {
      const hint = didYouMean(from, Object.keys(environments));
      report(at, "ENVIRONMENT_UNKNOWN", `promoteFrom "${from}" is not an environment of this file.${hint}`);
      return;
    }
    const seen = new Set<string>();
    let next: string | undefined = from;
    while (next !== undefined && next !== name && !seen.has(next)) {
      seen.add(next);
      next = Object.hasOwn(environments, next) ? environments[next]?.promoteFrom : undefined;
    }
    if (next !== name) return;
    report(at, "ENVIRONMENT_CYCLE", `${name} would be promoted from itself, by way of ${[...seen].join(", ") || name}`);
  }

  function checkFreeze({ cron, timezone }: Drafted<Freeze>, at: Path): void {
    const cronFault = cron === undefined ? undefined : tools.calendar.cronFault(cron);
    if (cronFault !== undefined) report([...at, "cron"], "CRON_INVALID", `${formatPath([...at, "cron"])} ${cronFault}`);
    const zoneFault = timezone === undefined ? undefined : tools.calendar.zoneFault(timezone);
    if (zoneFault === undefined) return;
    report([...at, "timezone"], "TIMEZONE_UNKNOWN", `${formatPath([...at, "timezone"])} ${zoneFault}`);
  }
}

function complete({ environments, previews }: Written, tools: Tools): RepositorySettings {
  const named = Object.entries(environments ?? {}).map(
    ([name, { freeze, ...settings }]): [string, EnvironmentSettings] => [
      name,
      freeze === undefined ? settings : { ...settings, freeze: freeze.map(completeFreeze) },
    ],
  );
  const fallback = defaultSettings(tools.context.defaultBranch ?? "main").environments;
  return {
    environments: environments === undefined ? fallback : Object.fromEntries(named),
    ...(previews !== undefined && { previews: completePreviews(previews) }),
  };
}

function completeFreeze({ duration, timezone, ...freeze }: Freeze): FreezeWindow {
  return { ...freeze, durationSeconds: parseDuration(duration) ?? 0, timezone: timezone ?? "UTC" };
}

function completePreviews({
  pullRequests,
  expireAfter,
  forks,
  target,
}: NonNullable<Written["previews"]>): PreviewSettings {
  return {
    pullRequests: pullRequests ?? false,
    expireAfterSeconds: expireAfter === undefined ? defaultExpirySeconds : (parseDuration(expireAfter) ?? 0),
    forks: forks ?? "plan",
    ...(target !== undefined && { target }),
  };
}
