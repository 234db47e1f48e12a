import type { StackName } from "../core/stack.ts";
import type { EngineDependencies, ProgramOptions } from "./engine.ts";
import type { Properties } from "./provider.ts";
import { decodeCheckpoint, emptyCheckpoint, makeEncoder, type Checkpoint } from "./record/checkpoint.ts";
import { makeJournal } from "./record/journal.ts";
import { makeSlots } from "../core/waiting/slots.ts";
import type { Operation } from "./stack/operation.ts";
import { makeProviderSet } from "./stack/provider-set.ts";
import { makeReport } from "./stack/report.ts";
import { pulumiProject, pulumiStack, scopeOf, type SecretBox } from "./state.ts";
import type { EngineEvent } from "./step.ts";
import { makeRedaction, type Redaction } from "./value/redaction.ts";
import { asSecret } from "./value/value.ts";

const defaultParallel = 16;

/** Without a box, secrets are loaded from plain text and saved as such. */
type OpeningDependencies = Omit<EngineDependencies, "secrets"> & { readonly secrets: SecretBox | null };

interface Wanted {
  readonly stack: StackName;
  readonly options: ProgramOptions;
  readonly isPreview: boolean;
}

/** Loads the stack and sets out what an operation on it works with. */
export async function openOperation(dependencies: OpeningDependencies, wanted: Wanted): Promise<Operation> {
  const { providers: registered, clock } = dependencies;
  const { stack, options, isPreview } = wanted;
  const loaded = await loadCheckpoint(dependencies, stack);
  const journal = makeJournal(
    loaded.checkpoint,
    isPreview ? async () => undefined : saver(dependencies, stack, loaded),
  );
  const redaction = knowing(loaded.checkpoint, options);
  const place = { project: pulumiProject(stack), stack: pulumiStack(stack) };
  const signal = options.signal ?? new AbortController().signal;
  const now = (): Date => clock.now();
  const configOf = (packageName: string): Properties => configurationOf(packageName, options);
  const slots = makeSlots({ running: options.parallel ?? defaultParallel });
  return {
    ...place,
    isPreview,
    signal,
    journal,
    redaction,
    clock,
    report: makeReport(redaction, (event) => tell(dependencies, wanted, event)),
    providers: makeProviderSet({ ...place, registered, journal, signal, configOf, now }),
    inSlot: (task) => slots.run(task),
  };
}

interface Loaded {
  readonly checkpoint: Checkpoint;
  readonly serial: number;
}

export async function loadCheckpoint({ state, secrets }: OpeningDependencies, stack: StackName): Promise<Loaded> {
  const stored = await state.load(stack);
  if (stored === null) return { checkpoint: emptyCheckpoint, serial: 0 };
  return { checkpoint: decodeCheckpoint(stored.state, { scope: scopeOf(stack), secrets }), serial: stored.serial };
}

function saver({ state, secrets, clock }: OpeningDependencies, stack: StackName, loaded: Loaded) {
  let { serial } = loaded;
  const encode = makeEncoder({ scope: scopeOf(stack), secrets });
  return async (checkpoint: Checkpoint): Promise<void> => {
    await state.save(stack, { serial: serial + 1, state: encode(checkpoint, clock.now()) });
    serial++;
  };
}

function knowing({ resources, pending }: Checkpoint, { config = {}, secretConfig = [] }: ProgramOptions): Redaction {
  const redaction = makeRedaction();
  for (const { inputs, outputs } of [...resources, ...pending.map(({ resource }) => resource)]) {
    if (inputs) redaction.learn(inputs);
    if (outputs) redaction.learn(outputs);
  }
  for (const key of secretConfig) redaction.learnText(config[key] ?? "");
  return redaction;
}

function tell({ log }: OpeningDependencies, { stack, options }: Wanted, event: EngineEvent): void {
  if (event.type === "log") log.debug({ stack, urn: event.urn, text: event.message }, "a program logged");
  options.onEvent?.(event);
}

/** A package's default provider is configured by the stack's settings in its namespace, as with the CLI. */
function configurationOf(packageName: string, { config = {}, secretConfig = [] }: ProgramOptions): Properties {
  const prefix = `${packageName}:`;
  const own = Object.entries(config).filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(
    own.map(([key, value]) => [key.slice(prefix.length), secretConfig.includes(key) ? asSecret(value) : value]),
  );
}
