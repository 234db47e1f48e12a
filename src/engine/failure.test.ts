import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { ComponentResource, log, requirePulumiVersion, runtime, StackReference } from "@pulumi/pulumi";
import { makeRecordingProvider } from "../../test/support/recording-provider.ts";
import { makeTestEngine, shop, Thing } from "../../test/support/stacks.ts";
import { WaybillError } from "../core/errors.ts";

test("a failing resource stops what depends on it and nothing else", async () => {
  using harness = makeTestEngine();
  const { engine, taken } = harness;
  const program = (fails: string | undefined) => async () => {
    const a = new Thing("a", { fails });
    const b = new Thing("b", { of: a.address });
    const c = new Thing("c", {}, { dependsOn: a });
    const d = new Thing("d", {}, { parent: b });
    const e = new Thing("e", { size: 1 });
    return { of: [b.address, c.address, d.address], e: new Thing("f", { of: e.address }).address };
  };
  await assert.rejects(engine.up(shop, program("no room")), {
    code: "STEP_FAILED",
    message: "test:index:Thing a: no room",
  });
  assert.deepEqual(taken().toSorted(), ["create a", "create e", "create f"]);
  const { outputs, changes } = await engine.up(shop, program(undefined));
  assert.deepEqual(taken().toSorted(), ["create a", "create b", "create c", "create d"]);
  assert.equal(changes.create, 4);
  assert.match(String(outputs["e"]), /^http:\/\/f-\d$/);
});

test("a resource that cannot be deleted keeps what it depends on", async () => {
  using harness = makeTestEngine();
  const { engine, taken } = harness;
  await engine.up(shop, async () => {
    const a = new Thing("a");
    const b = new Thing("b", { of: a.address, undeletable: true });
    return { c: new Thing("c", { of: b.address }).address, d: new Thing("d").address };
  });
  taken();
  await assert.rejects(engine.destroy(shop), { message: "test:index:Thing b: it will not go" });
  assert.deepEqual(taken().toSorted(), ["delete b", "delete c", "delete d"]);
  const left = (await engine.export(shop))?.deployment.resources?.map(({ urn }) => urn.split("::").at(-1));
  assert.deepEqual(left, ["shop-production--ranker", "default", "a", "b"]);
});

test("the provider's own error code is kept, and a person's turn outweighs a retry", async () => {
  const provider = makeRecordingProvider({
    create: ({ name }) =>
      Promise.reject(name === "a" ? new Error("later") : new WaybillError("SECRET_MISSING", "no secret x")),
  });
  using harness = makeTestEngine({ provider });
  const failing = harness.engine.up(shop, async () => ({ a: new Thing("a").address, b: new Thing("b").address }));
  await assert.rejects(failing, {
    code: "SECRET_MISSING",
    message: "test:index:Thing a: later\ntest:index:Thing b: no secret x",
  });
});

test("what a program throws, rejects or logs as an error fails it", async () => {
  using harness = makeTestEngine();
  const { engine, taken } = harness;
  const rejected = { code: "PROGRAM_FAILED" };
  const boom = new Error("boom");
  await assert.rejects(
    engine.up(shop, () => Promise.reject(boom)),
    { ...rejected, message: "boom" },
  );
  const throwsLater = async () => {
    setTimeout(() => {
      throw boom;
    }, 1);
    await after(5);
  };
  await assert.rejects(engine.up(shop, throwsLater), { ...rejected, message: "boom" });
  const rejectsUnheard = async () => {
    void Promise.reject(boom);
  };
  await assert.rejects(engine.up(shop, rejectsUnheard), { ...rejected, message: "boom" });
  const inApply = async () => {
    new Thing("a").address.apply(() => {
      throw boom;
    });
  };
  await assert.rejects(engine.up(shop, inApply), { ...rejected, message: "boom" });
  assert.deepEqual(taken(), ["create a"]);
  await assert.rejects(
    engine.up(shop, () => log.error("bad")),
    { ...rejected, message: "bad" },
  );
  const twice = async () => ({ a: new Thing("a").address, b: new Thing("a").address });
  await assert.rejects(engine.up(shop, twice), { ...rejected, message: /declares urn:.*::a twice/ });
});

test("what is not served is refused by name", async () => {
  using harness = makeTestEngine();
  const { engine } = harness;
  const refusals: readonly [() => unknown, RegExp][] = [
    [() => new Thing("a", {}, { import: "x" }), /test:index:Thing a.* uses the option import/],
    [() => new Thing("a", {}, { hideDiffs: ["size"] }), /the option hideDiffs/],
    [() => new Thing("a", {}, { id: "x" }), /ReadResource/],
    [() => new StackReference("org/p/s"), /ReadResource/],
    [() => new Thing("a", {}, { transforms: [() => undefined] }), /transforms/],
    [() => new Thing("a", {}, { deletedWith: new Thing("b") }), /DeletedWith/],
    [() => new ComponentResource("test:index:Far", "far", {}, {}, true), /remote components/],
    [() => runtime.invoke("test:index:getThing", {}), /the function test:index:getThing, which nobody serves/],
    [() => runtime.invoke("aws:index:getZones", {}), /the package "aws"; this engine has providers for test/],
    [() => runtime.call("test:index:Thing/m", {}), /methods of resources \(Call\)/],
    [() => requirePulumiVersion(">=3"), /requirePulumiVersion/],
  ];
  for (const [use, message] of refusals) {
    const program = async () => void (await use());
    await assert.rejects(engine.up(shop, program), (error: WaybillError) => {
      assert.match(error.message, message);
      assert.equal(error.verdict, "rejected");
      return true;
    });
  }
});

test("cancelling ends the calls in flight, starts nothing more and keeps what was done", async () => {
  using harness = makeTestEngine();
  const { engine, taken, things } = harness;
  const controller = new AbortController();
  const program = (waits: number) => async () => {
    const a = new Thing("a");
    const b = new Thing("b", { of: a.address, waits });
    return { c: new Thing("c", { of: b.address }).address };
  };
  const cancelled = engine.up(shop, program(10_000), { signal: controller.signal });
  await after(50);
  controller.abort(new Error("a newer snapshot"));
  await assert.rejects(cancelled, {
    code: "APPLY_CANCELLED",
    message: "the apply of shop/production--ranker was cancelled",
  });
  assert.deepEqual(taken(), ["create a", "create b"]);
  const state = await engine.export(shop);
  assert.deepEqual(state?.deployment.pending_operations, undefined);
  await engine.up(shop, program(0));
  assert.deepEqual(taken(), ["create b", "create c"]);
  assert.equal(things.size, 3);
});

test("a deletion that was cancelled is gone through with before its resource is relied on again", async () => {
  using harness = makeTestEngine();
  const { engine, taken, calls } = harness;
  const controller = new AbortController();
  const program = (isDeclared: boolean) => async () => {
    const a = isDeclared ? new Thing("a", { deleteWaits: 300 }) : null;
    return { b: new Thing("b", a ? { of: a.address } : {}).address };
  };
  await engine.up(shop, program(true));
  taken();
  const cancelled = engine.up(shop, program(false), { signal: controller.signal });
  while (!calls.some(({ method }) => method === "delete")) await after(5);
  controller.abort(new Error("a newer snapshot"));
  await assert.rejects(cancelled, { code: "APPLY_CANCELLED" });
  assert.deepEqual(taken(), ["update b", "delete a"]);
  const state = await engine.export(shop);
  assert.deepEqual(
    state?.deployment.pending_operations?.map(({ type }) => type),
    ["deleting"],
  );
  await engine.up(shop, program(true));
  assert.deepEqual(taken(), ["delete a", "create a", "update b"]);
});
