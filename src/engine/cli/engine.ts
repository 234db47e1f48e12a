import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { spawnHere, type Spawn } from "../../core/spawn.ts";
import { noChanges } from "../stack/report.ts";
import type { StackName } from "../../core/stack.ts";
import { makeExclusive, type Engine, type Preview, type UpResult } from "../engine.ts";
import { hookProcess } from "../program/rejection.ts";
import type { Provider } from "../provider.ts";
import type { SecretBox } from "../state.ts";
import { makeCommand } from "./process/command.ts";
import { runOperation, withoutOutputs, type CliOperation } from "./operation.ts";
import type { CliParts } from "./parts.ts";
import { importState } from "./transfer.ts";
import { configure } from "./configuration.ts";
import { makeStackCommands, type Backend } from "./process/stack-commands.ts";
import { withVersionChecked } from "./process/version.ts";
import { heldStacks, holdsStack } from "./process/stack-folder.ts";

/** An engine whose stacks may also leave it for another. */
export interface CliEngine extends Engine {
  /** Whether the stack was worked on from this server's folder; the backend is not asked. */
  holds(stack: StackName): boolean;
  /** The stacks that it holds. */
  held(): readonly StackName[];
  /** Takes the stack off the backend and leaves everything that it names where it is. */
  forget(stack: StackName): Promise<void>;
}

export interface CliEngineDependencies {
  /** The CLI: a path, or a name on PATH. */
  readonly command: string;
  readonly backend: Backend;
  /** Environment of the CLI: PATH, and what its backend needs to be reached. */
  readonly env: Readonly<Record<string, string>>;
  /** Work folders of the stacks. What is lost with it is made again from the backend. */
  readonly folder: string;
  /** By package name: the part of a type token before its first colon. Others need their plugin installed. */
  readonly providers: Readonly<Record<string, Provider>>;
  /** Seals what is kept of an operation under way. */
  readonly secrets: SecretBox;
  readonly clock: Clock;
  readonly log: Log;
  readonly spawn?: Spawn;
}

// It would look for plugins and for a newer self on the network at every operation.
const quiet = {
  PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  PULUMI_SKIP_UPDATE_CHECK: "true",
  LC_ALL: "C.UTF-8",
};

/**
 * Runs Pulumi programs by the Pulumi CLI, against any state backend that it knows. The program and our providers are
 * served from this process for the time of an operation. Errors: those of `Engine`, CLI_UNAVAILABLE, CLI_FAILED,
 * STACK_LOCKED.
 */
export function makeCliEngine(dependencies: CliEngineDependencies): CliEngine {
  const { command: path, env, backend, folder, clock, spawn = spawnHere } = dependencies;
  const command = withVersionChecked(makeCommand({ path, env: { ...env, ...quiet }, spawn, clock }));
  const parts: CliParts = { ...dependencies, commands: makeStackCommands({ command, backend, folder }) };
  const { commands } = parts;
  const unhook = hookProcess();
  const exclusively = makeExclusive();
  const up = async (operation: CliOperation): Promise<UpResult> => {
    await configure(parts, operation.stack, operation.options);
    const found = await runOperation(parts, operation);
    if (found) return found;
    await commands.create(operation.stack);
    return (await runOperation(parts, operation)) ?? nothing;
  };
  // The CLI previews only what is there: a stack is made for it and taken away again.
  const previewNew = (operation: CliOperation): Promise<UpResult> =>
    exclusively(operation.stack, async () => {
      try {
        return await up(operation);
      } finally {
        await commands.remove(operation.stack, { force: false });
      }
    });
  return {
    preview: async (stack, program, options = {}) => {
      const operation: CliOperation = { kind: "preview", stack, program, options };
      return withoutOutputs((await runOperation(parts, operation)) ?? (await previewNew(operation)));
    },
    up: (stack, program, options = {}) => exclusively(stack, () => up({ kind: "up", stack, program, options })),
    destroy: (stack, options = {}) =>
      exclusively(stack, async () => {
        const destroyed = await onlyIfThere(parts, { kind: "destroy", stack, options });
        commands.folder(stack).remove();
        return destroyed;
      }),
    refresh: (stack, options = {}) =>
      exclusively(stack, async () => onlyIfThere(parts, { kind: "refresh", stack, options })),
    export: (stack, { showSecrets = false } = {}) => commands.export(stack, { showSecrets }),
    import: (stack, deployment) => exclusively(stack, async () => importState(parts, stack, deployment)),
    holds: (stack) => holdsStack(folder, stack),
    held: () => heldStacks(folder),
    forget: (stack) => exclusively(stack, () => commands.remove(stack)),
    close: unhook,
  };
}

const nothing: UpResult = { steps: [], changes: noChanges, outputs: {} };

async function onlyIfThere(parts: CliParts, operation: CliOperation): Promise<Preview> {
  return withoutOutputs((await runOperation(parts, operation)) ?? nothing);
}
