import assert from "node:assert/strict";
import { test } from "node:test";
import type { GpuSpec } from "../../spec/context.ts";
import type { ResolvedSize } from "../../spec/resolved.ts";
import { gpuWords, podResources, sizeProblem } from "./sizes.ts";

const gib = 2 ** 30;
const sizeWith = (gpu?: GpuSpec): ResolvedSize => ({
  name: null,
  cpu: 0.5,
  memoryBytes: 1.5 * gib,
  spot: false,
  ...(gpu && { gpu }),
});
const nvidia = [{ key: "nvidia.com/gpu", operator: "Exists" as const, effect: "NoSchedule" as const }];

test("a size without a GPU asks for CPU and memory, and limits memory", () => {
  assert.deepEqual(podResources({ ...sizeWith(), cpu: 2, diskBytes: 20 * gib }, []), {
    requests: { cpu: "2", memory: "1536Mi", "ephemeral-storage": "20Gi" },
    limits: { memory: "1536Mi", "ephemeral-storage": "20Gi" },
    nodeRequirements: [],
    tolerations: [],
  });
});

test("GPUs are asked for as NVIDIA's device plugin counts them", () => {
  assert.deepEqual(podResources(sizeWith({ count: 2 }), []), {
    requests: { cpu: "500m", memory: "1536Mi", "nvidia.com/gpu": "2" },
    limits: { memory: "1536Mi", "nvidia.com/gpu": "2" },
    nodeRequirements: [],
    tolerations: nvidia,
  });
  const sliced = podResources(sizeWith({ count: 1, type: "H100", slice: "1g.10gb" }), []);
  assert.equal(sliced.limits["nvidia.com/mig-1g.10gb"], "1");
  assert.deepEqual(sliced.nodeRequirements, [
    { key: "nvidia.com/gpu.product", values: ["NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-PCIe", "NVIDIA-H100-NVL"] },
  ]);
  assert.equal(podResources(sizeWith({ count: 1, slice: "1g.10gb+me" }), []).limits["nvidia.com/mig-1g.10gb.me"], "1");
});

test("the server's settings come first, in their order", () => {
  const gpus = [
    { type: "mi300x", resource: "amd.com/gpu", nodeSelector: { pool: ["a", "b"] }, tolerations: [] },
    { type: "h100", slice: "half", resource: "example.com/half", nodeSelector: { gpu: "h100" } },
  ];
  const any = podResources(sizeWith({ count: 1 }), gpus);
  assert.equal(any.limits["amd.com/gpu"], "1");
  assert.deepEqual(any.nodeRequirements, [{ key: "pool", values: ["a", "b"] }]);
  assert.deepEqual(any.tolerations, []);
  const half = podResources(sizeWith({ count: 3, type: "h100", slice: "half" }), gpus);
  assert.equal(half.limits["example.com/half"], "3");
  assert.deepEqual(half.tolerations, nvidia);
  assert.equal(podResources(sizeWith({ count: 1, type: "h100" }), gpus).limits["nvidia.com/gpu"], "1");
});

test("a GPU that the target does not know is refused with what it knows", () => {
  const gpus = [{ type: "mi300x", resource: "amd.com/gpu", nodeSelector: {} }];
  const problem =
    "this target knows no GPU of type h900: it knows mi300x, b200, h200, h100, a100, l40s, l40, l4, a10g, a10, t4, v100. " +
    "Add it to the target's gpus in the server's settings";
  assert.equal(sizeProblem(sizeWith({ count: 1, type: "h900" }), gpus), problem);
  assert.throws(() => podResources(sizeWith({ count: 1, type: "h900" }), gpus), { code: "TARGET_UNSUPPORTED" });
  assert.match(sizeProblem(sizeWith({ count: 1, slice: "most" }), []) ?? "", /^this target knows no GPU slice most: /);
  assert.equal(sizeProblem(sizeWith({ count: 1, type: "h100" }), []), null);
});

test("GPUs in words", () => {
  assert.equal(gpuWords({ count: 1 }), "GPU");
  assert.equal(gpuWords({ count: 2, type: "h100", slice: "1g.10gb" }), "GPU slice 1g.10gb of type h100");
});
