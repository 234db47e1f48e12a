import assert from "node:assert/strict";
import { test } from "node:test";
import { makeFeed } from "../../core/feed.ts";
import { repositoryName } from "../../core/names.ts";
import type { StackName } from "../../core/stack.ts";
import type { Push } from "../../intake/push-gate.ts";
import type { Step } from "../apply/drive.ts";
import type { EnvironmentOutcome } from "../snapshots/environment.ts";
import { makePushFollow } from "./follow.ts";

const at = new Date(0);
const web = (environment: string): StackName => ({ repository: "shop", environment, deployment: "web" });

const outcome = (environment: string, branch: string): EnvironmentOutcome => ({
  environment,
  branch,
  snapshots: [],
  waiting: null,
  unsettled: [web(environment)],
  failing: [],
  troubles: [],
});

/** What a push of these refs is told, while staging never comes to rest and the others do so at once. */
async function told(environments: readonly EnvironmentOutcome[], ...refs: readonly string[]): Promise<string[]> {
  const steps = makeFeed<Step>();
  const follow = makePushFollow({
    watcher: { look: async () => ({ environments, troubles: [] }) },
    driver: {
      async quiet(stack) {
        if (stack.environment === "staging") return new Promise(() => undefined);
        steps.publish({ stack, state: "ready", message: "ready", url: null, at });
      },
    },
    steps,
    clock: { now: () => at, sleep: async () => undefined },
  });
  const updates = refs.map((ref) => ({ ref, before: null, after: "1" }));
  const identity = { name: "ada", kind: "user", role: "member", groups: [] } as const;
  const push = { id: "1", repository: repositoryName("shop"), identity, updates } as const satisfies Partial<Push>;
  const lines: string[] = [];
  for await (const line of follow(push as unknown as Push, AbortSignal.timeout(5_000))) lines.push(line);
  return lines;
}

const production = outcome("production", "main");
const staging = outcome("staging", "next");
const live = ["  0.0 s  web  ready", "done in 0.0 s"];

test("a push follows the environments whose refs it changed, and waits for no other", async () => {
  assert.deepEqual(await told([production, staging], "refs/heads/main"), live);
  assert.deepEqual(await told([production, staging], "refs/tags/waybill/production/8"), live);
  const settled = { ...production, unsettled: [] };
  assert.deepEqual(await told([settled, staging], "refs/heads/main"), ["nothing to do; still under way: staging"]);
  assert.deepEqual(await told([settled], "refs/heads/main"), ["nothing to do: everything is as it should be."]);
});

test("deployments of several environments are told apart", async () => {
  const preview = outcome("preview", "main");
  assert.deepEqual(await told([production, staging, preview], "refs/heads/main"), [
    "  0.0 s  production/web  ready",
    "  0.0 s  preview/web     ready",
    "done in 0.0 s",
  ]);
});
