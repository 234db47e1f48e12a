import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { importFiles, type Product } from "./import-files.ts";

const given: Readonly<Record<Product, readonly string[]>> = {
  prefect: ["prefect.yaml", "deployment.yaml", "orion.yaml"],
  saturn: ["recipe.yaml", "recipe-2022.json"],
};
const folder = (product: string): string => join(import.meta.dirname, "../../../fixtures/import", product);

async function render(product: Product, name: string): Promise<string> {
  const { files, notes, problems } = importFiles(product, [
    { name, text: await readFile(join(folder(product), name), "utf8") },
  ]);
  assert.deepEqual(problems, [], "what is written can be deployed");
  return [
    ...files.map(({ path, text }) => `==> ${path}\n${text}`),
    ...notes.map(({ file, line, field, message }) => `${file}:${line} ${field}: ${message}`),
  ]
    .join("\n")
    .concat("\n");
}

for (const product of ["prefect", "saturn"] as const) {
  for (const name of given[product]) {
    test(`${product}'s ${name} becomes what is written beside it, and all else is noted`, async () => {
      const rendered = await render(product, name);
      const expected = join(folder(product), `${name}.expected`);
      if (process.env["WAYBILL_TEST_RENEW"] !== undefined) await writeFile(expected, rendered);
      assert.equal(rendered, await readFile(expected, "utf8"));
    });
  }
}

test("every field of a file is carried over or noted", async () => {
  const text = "name: a\nentrypoint: a.py:a\nschedule: {cron: '@daily', unheard: 1}\nunheard: {deep: {er: 1}}\n";
  const { notes } = importFiles("prefect", [{ name: "p.yaml", text }]);
  assert.deepEqual(
    notes.map(({ line, field }) => `${line} ${field}`),
    ["3 schedule.unheard", "4 unheard"],
  );
});

test("what is neither YAML nor JSON is refused with its place", () => {
  const files = [{ name: "p.yaml", text: "a: [1\nb: }\n" }];
  assert.throws(() => importFiles("prefect", files), {
    code: "REQUEST_INVALID",
    message: /^p\.yaml:2 is neither YAML nor JSON/,
  });
  const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (const next of "bcdefgh") {
    const before = String.fromCharCode(next.charCodeAt(0) - 1);
    bomb.push(`${next}: &${next} [${Array.from({ length: 9 }, () => `*${before}`).join(", ")}]`);
  }
  assert.throws(() => importFiles("saturn", [{ name: "b.yaml", text: bomb.join("\n") }]), /alias/i);
});
