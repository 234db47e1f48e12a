import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { makeTestEngine, shop, Thing } from "../../../test/support/stacks.ts";

const debuggable = createRequire(import.meta.url)("@pulumi/pulumi/runtime/debuggable.js") as {
  debuggablePromise(promise: Promise<unknown>, context: unknown): Promise<unknown> & { _debugStackTrace?: string };
};

test("promises of the SDK carry no stack trace; errors of programs do", async () => {
  using harness = makeTestEngine();
  const { stackTraceLimit } = Error;
  const program = async (): Promise<void> => {
    void new Thing("a");
    const promise = Promise.resolve() as Promise<void> & { _debugStackTrace?: string };
    await debuggable.debuggablePromise(promise, "test");
    assert.equal(promise._debugStackTrace, "Error");
    assert.match(new Error("of the program").stack ?? "", /of the program\n\s+at .*program/);
  };
  await harness.engine.up(shop, program);
  assert.equal(Error.stackTraceLimit, stackTraceLimit);
});
