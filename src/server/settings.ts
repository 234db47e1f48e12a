import { readFileSync } from "node:fs";
import { messageOf, WaybillError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
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
