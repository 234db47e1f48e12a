import assert from "node:assert/strict";
import { test } from "node:test";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { StackState } from "../../engine/state.ts";
import { foundationStack, makeFoundations } from "./foundations.ts";

const web: StackName = { repository: "shop", environment: "production", deployment: "web" };
const foundation = { stack: foundationStack(web, "cluster"), program: () => Promise.resolve(), digest: "1" };

/** Stacks by what their resources are made with. */
const providerOf = (target: string): string =>
  `urn:pulumi:production--web::shop::pulumi:providers:kubernetes::${target}::1234`;

function makeHarness() {
  const stacks = new Map<string, { readonly stack: StackName; readonly provider: string }>();
  const acts: string[] = [];
  const engine = {
    up: async (stack: StackName) => {
      acts.push(`up ${stack.deployment}`);
      stacks.set(stackKey(stack), { stack, provider: "" });
      return { steps: [], changes: { create: 0, update: 0, replace: 0, delete: 0, same: 0 }, outputs: {} } as never;
    },
    destroy: async (stack: StackName) => {
      acts.push(`destroy ${stack.deployment}`);
      stacks.delete(stackKey(stack));
      return { steps: [], changes: {} } as never;
    },
  };
  const states = {
    list: async () => [...stacks.values()].map(({ stack }) => stack),
    load: async (stack: StackName) => {
      const provider = stacks.get(stackKey(stack))?.provider ?? "";
      return {
        serial: 1,
        state: { deployment: { resources: [{ urn: provider.replace(/::1234$/, ""), provider }] } },
      } as unknown as StackState;
    },
  };
  const place = (stack: StackName, target: string) =>
    stacks.set(stackKey(stack), {
      stack,
      provider: providerOf(target),
    });
  return { acts, place, stacks, foundations: makeFoundations({ engine, states }) };
}

test("it is made once, before the first that stands on it, and again after a failure", async () => {
  const { foundations, acts } = makeHarness();
  const under = (act: () => Promise<void>) => foundations.under(foundation, {}, act);
  const note = async () => void acts.push("act");
  await Promise.all([under(note), under(note)]);
  assert.deepEqual(acts, ["up _cluster", "act", "act"]);
  await assert.rejects(under(() => Promise.reject(new Error("no namespace"))));
  await under(note);
  assert.deepEqual(acts.slice(3), ["up _cluster", "act"]);
  await foundations.under({ ...foundation, digest: "2" }, {}, note);
  assert.deepEqual(acts.slice(5), ["up _cluster", "act"]);
});

test("it goes with the last that stood on it, and not while another comes", async () => {
  const { foundations, acts, place, stacks } = makeHarness();
  await foundations.under(foundation, {}, async () => void place(web, "cluster"));
  const other = { ...web, deployment: "other" };
  place(other, "cluster");
  stacks.delete(stackKey(web));
  await foundations.clear(web, {});
  assert.deepEqual(acts, ["up _cluster"]);
  await foundations.under(foundation, {}, async () => {
    stacks.delete(stackKey(other));
    await foundations.clear(other, {});
  });
  assert.deepEqual(acts, ["up _cluster"]);
  // A job's has no object: its provider stands for what runs bring.
  stacks.set(stackKey(other), { stack: other, provider: providerOf("cluster").replace("::1234", "") });
  await foundations.clear(other, {});
  assert.deepEqual(acts, ["up _cluster"]);
  place(other, "elsewhere");
  await foundations.clear(other, {});
  assert.deepEqual(acts, ["up _cluster", "destroy _cluster"]);
});
