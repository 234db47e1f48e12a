import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { Config, getProject, getStack, log } from "@pulumi/pulumi";
import { makeTestEngine, stackOf, Thing } from "../../test/support/stacks.ts";
import type { EngineEvent } from "./step.ts";

test("fifty stacks at once do not mix, and those that fail, fail alone", async () => {
  using harness = makeTestEngine();
  const { engine } = harness;
  const failing: Record<number, () => void> = {
    7: () => {
      throw new Error("thrown by 7");
    },
    19: () => void Promise.reject(new Error("rejected by 19")),
    31: () =>
      void setTimeout(() => {
        throw new Error("thrown in a timer by 31");
      }, 2),
  };
  const logged = new Map<number, EngineEvent[]>();
  const up = async (index: number) => {
    const program = async () => {
      const first = new Thing("a", { size: index, waits: index % 5 });
      await after(index % 7);
      failing[index]?.();
      await after(5);
      await log.info(`from ${index}`);
      const second = new Thing("b", { of: first.address, size: index });
      const config = new Config("shop").require("index");
      return { size: second.size, address: second.address, stack: getStack(), project: getProject(), config };
    };
    const events: EngineEvent[] = [];
    logged.set(index, events);
    const config = { "shop:index": String(index) };
    const { outputs } = await engine.up(stackOf(`s${index}`), program, {
      config,
      onEvent: (event) => events.push(event),
    });
    return outputs;
  };
  const results = await Promise.allSettled(Array.from({ length: 50 }, (_, index) => up(index)));
  for (const [index, result] of results.entries()) {
    if (failing[index]) {
      assert.equal(result.status, "rejected", String(index));
      assert.match(String(result.reason), new RegExp(`by ${index}$`));
      continue;
    }
    assert.equal(result.status, "fulfilled", String(index));
    const { address, ...rest } = result.value;
    assert.deepEqual(rest, { size: index, stack: `production--s${index}`, project: "shop", config: String(index) });
    assert.match(String(address), /^http:\/\/b-\d+$/);
    const messages = logged.get(index)?.flatMap((event) => (event.type === "log" ? [event.message] : []));
    assert.deepEqual(messages, [`from ${index}`]);
  }
});

test("a slow resource that one program logs about holds up no other program", async () => {
  using harness = makeTestEngine();
  const { engine } = harness;
  const controller = new AbortController();
  const slow = engine.up(
    stackOf("slow"),
    async () => {
      const thing = new Thing("a", { waits: 60_000 });
      void log.info("about a", thing);
    },
    { signal: controller.signal },
  );
  await engine.up(stackOf("quick"), async () => {
    await log.info("hello");
    return { a: new Thing("a").address };
  });
  controller.abort();
  await assert.rejects(slow, { code: "APPLY_CANCELLED" });
});

test("a program that fails after its apply has ended disturbs nobody", async () => {
  using harness = makeTestEngine();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const late = async () => {
    await ended;
    throw new Error("too late");
  };
  await harness.engine.up(stackOf("late"), async () => void late());
  end();
  await after(5);
});

test("the hooks of the process are taken out with the last engine", () => {
  const original: unknown = Reflect.get(process, "emit");
  const isHooked = () => Reflect.get(process, "emit") !== original;
  assert.equal(isHooked(), false);
  const [first, second] = [makeTestEngine(), makeTestEngine()];
  first.engine.close();
  first.engine.close();
  assert.equal(isHooked(), true);
  second.engine.close();
  assert.equal(isHooked(), false);
});
