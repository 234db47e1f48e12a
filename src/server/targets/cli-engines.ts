import { createHmac } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../core/clock.ts";
import { messageOf, WaybillError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { Secret } from "../../core/secret.ts";
import type { Spawn } from "../../core/spawn.ts";
import { makeCliEngine, type CliEngine } from "../../engine/cli/engine.ts";
import type { Provider } from "../../engine/provider.ts";
import type { SecretBox } from "../../engine/state.ts";
import type { PulumiSettings, ServerSettings } from "../../spec/server-settings.ts";

interface CliEnginesParts {
  readonly settings: ServerSettings;
  /** Holds work folders, and the state where no backend is set. */
  readonly folder: string;
  readonly masterKey: Uint8Array;
  readonly providers: Readonly<Record<string, Provider>>;
  readonly secrets: SecretBox;
  readonly log: Log;
  readonly spawn: Spawn;
}

/** An engine for each target that is set to the Pulumi CLI. */
export function openCliEngines(parts: CliEnginesParts): ReadonlyMap<string, CliEngine> {
  const { settings, folder, providers, secrets, log, spawn } = parts;
  const wanted = Object.entries(settings.targets).filter(([, { engine }]) => engine === "pulumi-cli");
  return new Map(
    wanted.map(([name, { pulumi = {} }]) => {
      const own = join(folder, name);
      mkdirSync(join(own, "state"), { recursive: true, mode: 0o700 });
      const engine = makeCliEngine({
        command: pulumi.command ?? "pulumi",
        backend: backendOf(pulumi, own, parts),
        env: environment(join(folder, "home")),
        folder: join(own, "work"),
        providers,
        secrets,
        clock: systemClock,
        log,
        spawn,
      });
      return [name, engine] as const;
    }),
  );
}

function backendOf(pulumi: PulumiSettings, folder: string, { masterKey }: CliEnginesParts) {
  const { backend, organization, secretsProvider, passphraseFile } = pulumi;
  return {
    url: backend ?? `file://${join(folder, "state")}`,
    ...(organization !== undefined && { organization }),
    ...(secretsProvider !== undefined && { secretsProvider }),
    passphrase: passphraseFile === undefined ? passphraseFrom(masterKey) : readPassphrase(passphraseFile),
  };
}

const passphraseFrom = (masterKey: Uint8Array): Secret =>
  new Secret(createHmac("sha256", masterKey).update("waybill pulumi passphrase").digest("base64url"));

function readPassphrase(path: string): Secret {
  try {
    return new Secret(readFileSync(path, "utf8").trim());
  } catch (cause) {
    throw new WaybillError("SETTINGS_INVALID", `pulumi.passphraseFile ${path} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
}

// Of the server alone: its tokens, its database, how its own Node runs.
const withheld = /^(?:WAYBILL_|DATABASE_URL$|PG|NODE_)/;

/** The server's own environment, which is where backends and their credentials are usually named. */
function environment(home: string): Readonly<Record<string, string>> {
  const inherited = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || withheld.test(name) ? [] : [[name, value] as const],
  );
  return { PULUMI_HOME: home, ...Object.fromEntries(inherited) };
}
