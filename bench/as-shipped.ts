import { createRequire } from "node:module";

interface Debuggable {
  debuggablePromise: unknown;
}

// To be imported before the engine, which leaves out the SDK's traces for all of its process.
const debuggable = createRequire(import.meta.url)("@pulumi/pulumi/runtime/debuggable.js") as Debuggable;
const { debuggablePromise } = debuggable;

/** Runs with the SDK as it is shipped: a competitor must not gain by what the engine changes in it. */
export async function asShipped<Result>(run: () => Promise<Result>): Promise<Result> {
  const changed = debuggable.debuggablePromise;
  debuggable.debuggablePromise = debuggablePromise;
  try {
    return await run();
  } finally {
    debuggable.debuggablePromise = changed;
  }
}
