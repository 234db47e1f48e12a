import { readFileSync } from "node:fs";
import { messageOf, WaybillError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { parseDuration } from "../spec/rules/quantities.ts";
import { formatProblem } from "../spec/problem.ts";
import { defaultServerSettings, parseServerSettings, type ServerSettings } from "../spec/server-settings.ts";

/** Reads `--config FILE`. Throws SETTINGS_INVALID with every problem in it. */
export function loadSettings(file: string | null): ServerSettings {
  if (file === null) return defaultServerSettings;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new WaybillError("SETTINGS_INVALID", `--config ${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  const { settings, problems } = parseServerSettings(text, file);
  if (settings) return settings;
  throw new WaybillError("SETTINGS_INVALID", problems.map(formatProblem).join("\n"));
}

/** The administrator's token for automation, if the environment has one; whether it is long enough is for access. */
export function bootstrapToken(environment: NodeJS.ProcessEnv): Secret | null {
  const text = environment["WAYBILL_BOOTSTRAP_TOKEN"];
  return text === undefined || text === "" ? null : new Secret(text);
}

const defaultPollIntervalMs = 30_000;
const minPollIntervalMs = 100;
// A failing remote is asked every 16th time, and a timer of Node holds 24 days.
const maxPollIntervalMs = 24 * 60 * 60 * 1_000;

/** How long to wait between looks at a repository hosted elsewhere; its webhook does not wait. */
export const pollIntervalMs = (environment: NodeJS.ProcessEnv): number =>
  durationMs(environment, {
    variable: "WAYBILL_POLL_INTERVAL",
    defaultMs: defaultPollIntervalMs,
    range: { minMs: minPollIntervalMs, maxMs: maxPollIntervalMs, words: "from 100ms to 24h, such as 30s" },
  });

const defaultDrainMs = 2_000;
const maxDrainMs = 60 * 60 * 1_000;

/** How long requests under way have to finish when the gateway ends with the server. */
export const drainTimeoutMs = (environment: NodeJS.ProcessEnv): number =>
  durationMs(environment, {
    variable: "WAYBILL_DRAIN_TIMEOUT",
    defaultMs: defaultDrainMs,
    range: { minMs: 0, maxMs: maxDrainMs, words: "of 1h at most, such as 30s" },
  });

interface DurationSetting {
  readonly variable: string;
  readonly defaultMs: number;
  readonly range: { readonly minMs: number; readonly maxMs: number; readonly words: string };
}

function durationMs(environment: NodeJS.ProcessEnv, { variable, defaultMs, range }: DurationSetting): number {
  const text = environment[variable];
  if (text === undefined || text === "") return defaultMs;
  const ms = (parseDuration(text) ?? -1) * 1_000;
  if (ms >= range.minMs && ms <= range.maxMs) return ms;
  throw new WaybillError("SETTINGS_INVALID", `${variable} is "${text}", but must be a duration ${range.words}`);
}
