import { WaybillError } from "../../../core/errors.ts";
import type { Command } from "./command.ts";

// The oldest that the engine is tested with: it counts on its exit statuses and on the form of its events.
const oldest = [3, 250, 0] as const;

/** The same command, once the CLI has been found to be new enough. */
export function withVersionChecked(command: Command): Command {
  let checking: Promise<void> | null = null;
  const check = async (cwd: string): Promise<void> => {
    const { stdout } = await command(["version"], { cwd });
    if (!isNewEnough(stdout.trim())) throw tooOld(stdout.trim());
  };
  return async (args, options) => {
    checking ??= check(options.cwd).catch((error: unknown) => {
      // It may be installed meanwhile.
      checking = null;
      throw error;
    });
    await checking;
    return command(args, options);
  };
}

/** What `pulumi version` prints: `v3.250.0`, or with a suffix after `-` or `+`. */
export function isNewEnough(version: string): boolean {
  const parts = /^v(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
  if (!parts) return false;
  const at = parts.findIndex((part, index) => part !== oldest[index]);
  return at < 0 || (parts[at] ?? 0) > (oldest[at] ?? 0);
}

const tooOld = (version: string): WaybillError =>
  new WaybillError(
    "CLI_UNAVAILABLE",
    `the Pulumi CLI says that its version is ${JSON.stringify(version)}; wanted is v${oldest.join(".")} or later: update it, or set the target's pulumi.command`,
  );
