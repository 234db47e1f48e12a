import type { Program } from "../engine.ts";
import { attributing } from "./rejection.ts";
import { sdkConfig, sdkSettings, sdkStack, sdkState } from "./sdk.ts";
import { leaveOutTraces } from "./untraced-promises.ts";

export interface ProgramRun {
  readonly project: string;
  readonly stack: string;
  /** Absent: the one of stacks that have none. */
  readonly organization?: string;
  readonly isPreview: boolean;
  readonly config: Readonly<Record<string, string>>;
  readonly secretConfig: readonly string[];
  /** Clients of `pulumirpc.ResourceMonitor` and `pulumirpc.Engine`, as the SDK calls them. */
  readonly clients: { readonly monitor: object; readonly engine: object };
  /** Notes an error that belongs to the program as a whole. */
  readonly fail: (error: unknown) => void;
  readonly signal: AbortSignal;
}

// The SDK puts all programs of the process in one line when told 1. How much runs at once is decided by the engine.
const unlimited = 2 ** 31 - 1;
const defaultOrganization = "organization";

leaveOutTraces();

/**
 * Runs one program to its end, all its registrations answered. Whatever it throws, also where nobody waits for it,
 * goes to `fail`. Resolves at once when the signal aborts: a program may wait for what never comes.
 */
export function runProgram(run: ProgramRun, program: Program): Promise<void> {
  const { clients, fail, signal } = run;
  return sdkState.withLocalStorage(async () => {
    const store = sdkState.getStore();
    const { project, stack, isPreview, organization = defaultOrganization } = run;
    sdkSettings.resetOptions(project, stack, unlimited, "", "", isPreview, organization);
    store.settings.monitor = clients.monitor;
    store.settings.engine = clients.engine;
    sdkConfig.setAllConfig({ ...run.config }, run.secretConfig);
    let hasFailed = false;
    const failed = (error: unknown): void => {
      hasFailed = true;
      fail(error);
    };
    const ended = new AbortController();
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { signal: ended.signal });
    });
    try {
      const completing = async (): Promise<void> => {
        await complete(program, failed);
        // A hook on deletion is called when the program is over.
        if (store.callbacks && !hasFailed) await sdkSettings.signalAndWaitForShutdown();
      };
      await attributing(store, failed, () => Promise.race([completing(), aborted]));
    } finally {
      ended.abort();
      // Transforms and hooks are called back through a server that the SDK opens for them.
      store.callbacks?.shutdown();
    }
  });
}

async function complete(program: Program, fail: ProgramRun["fail"]): Promise<void> {
  try {
    await sdkStack.runInPulumiStack(program);
  } catch (error) {
    fail(error);
  }
  await sdkSettings.waitForRPCs();
  // Rejections that nobody handles are known only once the microtasks are through.
  await new Promise((resolve) => setImmediate(resolve));
}
