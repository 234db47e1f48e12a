import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import { makeCliEngine, type CliEngineDependencies } from "../../src/engine/cli/engine.ts";
import type { Provider } from "../../src/engine/provider.ts";
import { makeCipher } from "../../src/core/cipher.ts";
import { silentLog } from "../../src/core/log.ts";
import { Secret } from "../../src/core/secret.ts";
import { makeRecordingProvider } from "./recording-provider.ts";
import { testKey } from "./stacks.ts";

const cliPath = (process.env["PATH"] ?? "")
  .split(delimiter)
  .map((folder) => join(folder, "pulumi"))
  .find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** For `test(name, {skip: cliSkip}, …)`. */
export const cliSkip: string | false = cliPath === undefined ? "no pulumi on PATH" : false;

interface CliTestOptions {
  readonly provider?: ReturnType<typeof makeRecordingProvider>;
  readonly providers?: Readonly<Record<string, Provider>>;
  /** Kept between engines that share it; a temporary one without it. */
  readonly folder?: string;
  readonly dependencies?: Partial<CliEngineDependencies>;
}

/** An engine that drives the real CLI, on a file backend in a temporary folder, with the recording provider. */
export function makeCliTestEngine({
  provider = makeRecordingProvider(),
  providers = {},
  ...rest
}: CliTestOptions = {}) {
  const folder = rest.folder ?? mkdtempSync(join(tmpdir(), "waybill-cli-"));
  const engine = makeCliEngine({
    command: cliPath ?? "pulumi",
    backend: { url: `file://${folder}`, passphrase: new Secret("correct passphrase") },
    env: { PATH: process.env["PATH"] ?? "", PULUMI_HOME: join(folder, "home") },
    folder: join(folder, "work"),
    providers: { test: provider.provider, ...providers },
    secrets: makeCipher(testKey),
    clock: systemClock,
    log: silentLog,
    ...rest.dependencies,
  });
  const close = (): void => {
    engine.close();
    if (rest.folder === undefined) rmSync(folder, { recursive: true, force: true });
  };
  return { ...provider, engine, folder, [Symbol.dispose]: close };
}
