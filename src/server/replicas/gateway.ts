import { mkdirSync } from "node:fs";
import { WaybillError } from "../../core/errors.ts";
import { settingsVariable, writeSettings } from "../../gateway/control/state-file.ts";
import { clustersOf, listenHost, originOf, packageVersion } from "../base.ts";
import type { ServeOptions } from "../options.ts";
import { drainTimeoutMs, loadSettings } from "../settings.ts";

/** Writes down what a gateway without a server beside it is started with, and names that to its process. */
export function prepareGateway(
  { data, port, config }: Pick<ServeOptions, "data" | "port" | "config">,
  environment: NodeJS.ProcessEnv,
): void {
  const databaseUrl = environment["DATABASE_URL"] ?? "";
  if (databaseUrl === "") {
    throw new WaybillError(
      "SETTINGS_INVALID",
      "DATABASE_URL is not set: a gateway reads its routes from the database of the servers that it serves",
    );
  }
  const settings = loadSettings(config);
  mkdirSync(data, { recursive: true, mode: 0o700 });
  environment[settingsVariable] = writeSettings({
    dataFolder: data,
    version: packageVersion(),
    port,
    host: listenHost(settings).host ?? null,
    origin: originOf(settings, port),
    databaseUrl,
    // What identifies the servers in a cluster comes from their key, which it has no business with.
    clusters: clustersOf(settings, null),
    isOneOfSeveral: true,
    drainMs: drainTimeoutMs(environment),
  });
}
