import assert from "node:assert/strict";
import { test } from "node:test";
import type { StackName } from "../../../core/stack.ts";
import type { PodShape } from "../capacity/capacity.ts";
import { makeLine, type Wish } from "./line.ts";

const gpu = "nvidia.com/gpu";
const shape = (count: number, product = "h100"): PodShape => ({
  namespace: "shop--production",
  labels: {},
  requests: { [gpu]: count, cpu: 1_000, pods: 1 },
  limits: {},
  nodeRequirements: [{ key: "product", values: [product] }],
  tolerations: [],
  spread: [],
  words: { [gpu]: `GPU of type ${product}` },
});
const stack = (deployment: string): StackName => ({ repository: "shop", environment: "production", deployment });
const wish = (more: Partial<Wish> = {}): Wish => ({ shapes: [shape(2)], forMs: 60_000, isOver: () => false, ...more });

function lineAt() {
  const time = { ms: Date.parse("2026-01-01T12:00:00Z") };
  return { time, line: makeLine({ now: () => new Date(time.ms) }) };
}

test("whoever comes later does not take what the first in line lacks", () => {
  const { line } = lineAt();
  line.join(stack("train"), wish());
  const behind = "behind shop/production/train, which waits since 12:00 UTC for 2 GPUs of type h100";
  assert.equal(line.blockedBy(stack("web"), { takes: [shape(1)], frees: [] }), behind);
  assert.equal(line.blockedBy(stack("web"), { takes: [shape(1)], frees: [shape(1)] }), null, "it takes no more");
  assert.equal(line.blockedBy(stack("web"), { takes: [shape(2)], frees: [shape(1)] }), behind);
  assert.equal(line.blockedBy(stack("web"), { takes: [shape(1, "l4")], frees: [] }), null, "another kind");
  const plain = { ...shape(0), requests: { cpu: 1_000 } };
  assert.equal(line.blockedBy(stack("web"), { takes: [plain], frees: [] }), null, "CPU is not stood in line for");
  assert.equal(line.blockedBy(stack("train"), { takes: [shape(2)], frees: [] }), null, "nobody waits for itself");
});

test("trying again keeps the place, staying away loses it", () => {
  const { line, time } = lineAt();
  line.join(stack("a"), wish());
  line.join(stack("b"), wish());
  time.ms += 50_000;
  line.join(stack("a"), wish());
  const gain = { takes: [shape(2)], frees: [] };
  assert.match(line.blockedBy(stack("b"), gain) ?? "", /^behind shop\/production\/a, which waits since 12:00 UTC/);
  assert.equal(line.blockedBy(stack("a"), gain), null);
  assert.deepEqual([...line.others(stack("a"))], ["shop/production/b"]);
  time.ms += 55_000;
  assert.deepEqual([...line.others(stack("c"))], ["shop/production/a"], "b has not come back");
  line.leave(stack("a"));
  assert.equal(line.blockedBy(stack("c"), gain), null);
});

test("only those are told whose wait is over", async () => {
  const { line } = lineAt();
  let isOver = false;
  line.join(stack("a"), wish({ isOver: () => isOver }));
  line.join(stack("b"), wish());
  const told: string[] = [];
  const over = new AbortController();
  const listen = (name: string): Promise<void> =>
    line.changed(stack(name), over.signal).then(() => void told.push(name));
  const all = Promise.all([listen("a"), listen("b")]);
  line.look();
  await Promise.resolve();
  assert.deepEqual(told, []);
  isOver = true;
  line.look();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told, ["a"]);
  await line.changed(stack("a"), over.signal);
  over.abort();
  await all;
  assert.deepEqual(told, ["a", "b"], "an end is an end for all");
});

test("who leaves makes the others look", async () => {
  const { line } = lineAt();
  let isBlocked = true;
  line.join(stack("a"), wish());
  line.join(stack("b"), wish({ isOver: () => !isBlocked }));
  const changed = line.changed(stack("b"), AbortSignal.timeout(5_000));
  isBlocked = false;
  line.leave(stack("a"));
  await changed;
});
