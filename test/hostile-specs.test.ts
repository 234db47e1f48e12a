import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { packageRoot } from "../src/core/package-root.ts";
import type { HostileResult } from "./support/hostile-specs.ts";
import { hostileSpecs } from "./support/hostile-specs.ts";

const maxMilliseconds = 2000;
const maxGrownMib = 256;

/** All of them in one process of its own with a small heap, so that a crash is a failure and not the end of the tests. */
async function checkAll(): Promise<Map<string, HostileResult>> {
  const script = join(packageRoot, "test/support/hostile-specs.ts");
  const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", "--max-old-space-size=256", script], {
    maxBuffer: 64 * 2 ** 20,
    timeout: 300_000,
  });
  const results = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as HostileResult);
  return new Map(results.map((result) => [result.name, result]));
}

const results = checkAll();

for (const [name, { code }] of Object.entries(hostileSpecs)) {
  test(`${name}: ${code ?? "no problem"}, soon and in little memory`, async () => {
    const result = (await results).get(name);
    assert.ok(result, "the process that checks gave no answer");
    assert.equal(result.codes[0], code);
    assert.ok(result.codes.length <= 201, `${result.codes.length} problems`);
    assert.ok(result.milliseconds < maxMilliseconds, `took ${result.milliseconds} ms`);
    assert.ok(result.grownMib < maxGrownMib, `took ${result.grownMib} MiB`);
  });
}
