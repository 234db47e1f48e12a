import type { Program } from "../engine.ts";
import { directClient, engineService, monitorService, type MonitorDependencies } from "./monitor.ts";
import { attributing } from "./rejection.ts";
import { sdkConfig, sdkSettings, sdkStack, sdkState } from "./sdk.ts";

export interface ProgramRun {
  readonly project: string;
  readonly stack: string;
  readonly isPreview: boolean;
  readonly config: Readonly<Record<string, string>>;
  readonly secretConfig: readonly string[];
  readonly monitor: MonitorDependencies;
  readonly signal: AbortSignal;
}

// The SDK puts all programs of the process in one line when told 1. How much runs at once is decided by the engine.
const unlimited = 2 ** 31 - 1;
const organization = "organization";

/**
 * Runs one program to its end, all its registrations answered. Whatever it throws, also where nobody waits for it,
 * goes to `monitor.fail`. Resolves at once when the signal aborts: a program may wait for what never comes.
 */
export function runProgram(run: ProgramRun, program: Program): Promise<void> {
  const { monitor, signal } = run;
  return sdkState.withLocalStorage(async () => {
    const store = sdkState.getStore();
    sdkSettings.resetOptions(run.project, run.stack, unlimited, "", "", run.isPreview, organization);
    store.settings.monitor = directClient(monitorService(monitor), monitor.redact);
    store.settings.engine = directClient(engineService(monitor), monitor.redact);
    sdkConfig.setAllConfig({ ...run.config }, run.secretConfig);
    const ended = new AbortController();
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { signal: ended.signal });
    });
    try {
      await attributing(store, monitor.fail, () => Promise.race([complete(program, monitor), aborted]));
    } finally {
      ended.abort();
    }
  });
}

async function complete(program: Program, monitor: MonitorDependencies): Promise<void> {
  try {
    await sdkStack.runInPulumiStack(() => withShortTraces(program));
  } catch (error) {
    monitor.fail(error);
  }
  await sdkSettings.waitForRPCs();
  // Rejections that nobody handles are known only once the microtasks are through.
  await new Promise((resolve) => setImmediate(resolve));
}

/**
 * The SDK takes a stack trace for every property of every resource, to tell of leaks when the process ends; at ten
 * frames each that was half of a small program's time. One frame still says where a program failed.
 */
function withShortTraces<Result>(program: () => Promise<Result>): Promise<Result> {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 1;
  try {
    return program();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
