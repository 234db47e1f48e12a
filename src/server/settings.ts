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
  if (settings) return refuseUnserved(settings, file);
  throw new WaybillError("SETTINGS_INVALID", problems.map(formatProblem).join("\n"));
}

/** What the format knows and this version does not do is refused by name, never ignored. */
function refuseUnserved(settings: ServerSettings, file: string): ServerSettings {
  for (const [name, { engine }] of Object.entries(settings.targets)) {
    if (engine !== "pulumi-cli") continue;
    throw new WaybillError(
      "SETTINGS_INVALID",
      `${file}: targets.${name}: engine: pulumi-cli is not served by this version: use engine: in-process`,
    );
  }
  return settings;
}

/** The administrator's token for automation, if the environment has one; whether it is long enough is for access. */
export function bootstrapToken(environment: NodeJS.ProcessEnv): Secret | null {
  const text = environment["WAYBILL_BOOTSTRAP_TOKEN"];
  return text === undefined || text === "" ? null : new Secret(text);
}
