import { setTimeout as sleep } from "node:timers/promises";
import type { Secret } from "../../../core/secret.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import type { StackName } from "../../../core/stack.ts";
import { pulumiStack, pulumiProject, scopeOf, type UntypedDeployment } from "../../state.ts";
import type { Command, CommandOptions, CommandResult } from "./command.ts";
import { removeEmptyAttributes } from "./file-backend.ts";
import { breakLock } from "./lock.ts";
import { openStackFolder, type StackFolder } from "./stack-folder.ts";

export interface Backend {
  /** `file:///…`, `s3://…`, `https://api.pulumi.com`: what PULUMI_BACKEND_URL takes. */
  readonly url: string;
  /** Whose stacks they are on a backend that has organizations. */
  readonly organization?: string;
  /** Encrypts the state where `secretsProvider` is absent and the backend does not do it. */
  readonly passphrase?: Secret;
  /** `awskms://…` and such; absent: the backend's own, or the passphrase. */
  readonly secretsProvider?: string;
}

interface StackCommandsParts {
  readonly command: Command;
  readonly backend: Backend;
  /** Holds a work folder for each stack. */
  readonly folder: string;
}

/** The CLI's commands on one stack, each in the stack's own work folder. */
export interface StackCommands {
  folder(stack: StackName): StackFolder;
  /** Runs a command on the stack, without judging how it ended. */
  run(stack: StackName, args: readonly string[], options?: Partial<CommandOptions>): Promise<CommandResult>;
  /** Null: there is no such stack. Secrets are shown. */
  export(stack: StackName, options: { readonly showSecrets: boolean }): Promise<UntypedDeployment | null>;
  /** Replaces the state. The stack must exist. */
  import(stack: StackName, deployment: UntypedDeployment): Promise<void>;
  create(stack: StackName): Promise<void>;
  /** Takes the stack, and its work folder, away; nothing there is no error. Unforced, only where it has no resources. */
  remove(stack: StackName, options?: { readonly force: boolean }): Promise<void>;
}

// cmd/pulumi/cmd/exit_codes.go in github.com/pulumi/pulumi: part of the CLI's contract.
export const stackNotFoundStatus = 6;

// A CLI that a killed server has left may be storing what it did.
const exportAttempts = 3;
const exportAgainMs = 100;

const always = ["--non-interactive", "--color", "never"];

export function makeStackCommands({ command, backend, folder: root }: StackCommandsParts): StackCommands {
  const env = {
    PULUMI_BACKEND_URL: backend.url,
    ...(backend.passphrase && { PULUMI_CONFIG_PASSPHRASE: backend.passphrase.reveal() }),
  };
  const nameOf = (stack: StackName): string => {
    const name = pulumiStack(stack);
    return backend.organization === undefined ? name : `${backend.organization}/${pulumiProject(stack)}/${name}`;
  };
  const folder = (stack: StackName): StackFolder => openStackFolder(root, stack);
  const run: StackCommands["run"] = (stack, args, options = {}) =>
    command([...args, "--stack", nameOf(stack), ...always], {
      cwd: folder(stack).path,
      ...options,
      env: { ...env, ...options.env },
    });
  const done = async (stack: StackName, args: readonly string[], stdin?: string): Promise<string> => {
    const attempt = () => run(stack, args, stdin === undefined ? {} : { stdin });
    const first = await attempt();
    const result = first.status !== 0 && (await breakLock({ run }, stack, { result: first })) ? await attempt() : first;
    if (result.status === 0) return result.stdout;
    throw commandFailed(stack, args, result);
  };
  return {
    folder,
    run,
    export: async (stack, { showSecrets }) => {
      const args = ["stack", "export", ...(showSecrets ? ["--show-secrets"] : [])];
      for (let attempt = 1; ; attempt += 1) {
        const result = await run(stack, args);
        if (result.status === stackNotFoundStatus) return null;
        if (result.status === 0) return parsedState(stack, result.stdout);
        if (attempt === exportAttempts) throw commandFailed(stack, args, result);
        if (!removeEmptyAttributes(backend.url, stack)) await sleep(exportAgainMs);
      }
    },
    import: async (stack, deployment) => void (await done(stack, ["stack", "import"], JSON.stringify(deployment))),
    remove: async (stack, { force } = { force: true }) => {
      const args = ["stack", "rm", "--yes", ...(force ? ["--force"] : [])];
      const result = await run(stack, args);
      if (result.status !== 0 && result.status !== stackNotFoundStatus) throw commandFailed(stack, args, result);
      folder(stack).remove();
    },
    create: async (stack) => {
      const provider = backend.secretsProvider === undefined ? [] : ["--secrets-provider", backend.secretsProvider];
      await command(["stack", "init", nameOf(stack), "--no-select", ...provider, ...always], {
        cwd: folder(stack).path,
        env,
      }).then((result) => {
        if (result.status !== 0) throw commandFailed(stack, ["stack", "init"], result);
      });
    },
  };
}

/** An error of the CLI that is no resource's and no program's, in its own words. */
export function commandFailed(stack: StackName, args: readonly string[], result: CommandResult): WaybillError {
  const said = (result.stderr || result.stdout).trim().replace(/^error: /, "");
  const [verb = ""] = args.filter((arg) => !arg.startsWith("-") && arg !== "stack");
  const status = result.status === null ? "was killed" : `ended with status ${result.status}`;
  return new WaybillError("CLI_FAILED", `pulumi ${verb} of ${scopeOf(stack)} ${status}: ${said || "it said nothing"}`);
}

function parsedState(stack: StackName, text: string): UntypedDeployment {
  try {
    return JSON.parse(text) as UntypedDeployment;
  } catch (cause) {
    throw new WaybillError("STATE_INVALID", `the state of ${scopeOf(stack)} is no JSON: ${messageOf(cause)}`, {
      cause,
    });
  }
}
