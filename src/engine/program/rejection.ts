import type { LogSeverity } from "@pulumi/pulumi/proto/engine_pb.js";
import { currentStore, engineMessages, sdkLog, sdkSettings, type SdkLog, type SdkStore } from "./sdk.ts";

/**
 * Errors that nobody in a program handles arrive at the process. The SDK's store, carried by AsyncLocalStorage into
 * every callback, says whose they are; what belongs to no program goes its ordinary way.
 */
const originalLog: SdkLog = { ...sdkLog };
const receivers = new WeakMap<SdkStore, (error: unknown) => void>();
let hooks = 0;

type Emit = (...args: [unknown, ...unknown[]]) => unknown;
const emitOf = (emitter: object): Emit => Reflect.get(emitter, "emit") as Emit;
let beneath = emitOf(process);

/** Runs `task` with the errors of `store` going to `receive`; those that come later are dropped. */
export async function attributing(
  store: SdkStore,
  receive: (error: unknown) => void,
  task: () => Promise<void>,
): Promise<void> {
  receivers.set(store, receive);
  try {
    await task();
  } finally {
    receivers.set(store, () => undefined);
  }
}

/**
 * Puts this module between the process and its listeners; the answer takes it out again. Engines in one process share
 * it. A listener of our own would not do: others would still hear of a program's error, and its mere presence would
 * keep an error that is nobody's from ending the process.
 */
export function hookProcess(): () => void {
  if (hooks++ === 0) {
    beneath = emitOf(process);
    Reflect.set(process, "emit", emit);
    replaceLog();
  }
  let isReleased = false;
  return () => {
    if (isReleased) return;
    isReleased = true;
    if (--hooks > 0) return;
    Reflect.set(process, "emit", beneath);
    Object.assign(sdkLog, originalLog);
  };
}

const uncaught: ReadonlySet<unknown> = new Set(["unhandledRejection", "uncaughtException"]);

// Node asks the answer whether somebody took care.
function emit(this: typeof process, ...args: [unknown, ...unknown[]]): unknown {
  const [event, error] = args;
  if (uncaught.has(event) && isTaken(error)) return true;
  return Reflect.apply(beneath, this, args);
}

function isTaken(error: unknown): boolean {
  const store = currentStore();
  const receive = store && receivers.get(store);
  receive?.(error);
  return receive !== undefined;
}

const levels = engineMessages.LogSeverity;
const severities = {
  debug: levels.DEBUG,
  info: levels.INFO,
  warn: levels.WARNING,
  error: levels.ERROR,
};

/**
 * The SDK sends the log messages of all programs of the process in one line, each behind the URN of the resource it
 * is about: one program's slow resource would hold up every other program. Here each message goes by itself.
 */
function replaceLog(): void {
  for (const [level, severity] of Object.entries(severities)) {
    const original = originalLog[level as keyof SdkLog];
    sdkLog[level as keyof SdkLog] = async (message, resource, ...rest) => {
      const store = currentStore();
      if (store === undefined || !receivers.has(store)) return original(message, resource, ...rest);
      if (severity === severities.debug) return undefined;
      if (severity === severities.error) store.logErrorCount++;
      const keepAlive = sdkSettings.rpcKeepAlive();
      try {
        await send(store, { severity, message, urn: (await resource?.urn.promise()) ?? "" });
      } finally {
        keepAlive();
      }
    };
  }
}

interface LogMessage {
  readonly severity: LogSeverity;
  readonly message: string;
  readonly urn: string;
}

function send(store: SdkStore, { severity, message, urn }: LogMessage): Promise<void> {
  const request = new engineMessages.LogRequest();
  request.setSeverity(severity);
  request.setMessage(message);
  request.setUrn(urn);
  const engine = store.settings.engine as { log(request: unknown, callback: () => void): void };
  return new Promise((resolve) => engine.log(request, () => resolve()));
}
