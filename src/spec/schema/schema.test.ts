import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { isName } from "../../core/names.ts";
import { packageRoot } from "../../core/package-root.ts";
import { problemTable } from "../problem-table.ts";
import { parseCarefully } from "../text/careful.ts";
import type { Schema } from "./build.ts";
import { deploymentSchema, kinds } from "./deployment.ts";
import { shapes } from "./patterns.ts";
import { repositorySchema } from "./repository.ts";
import { serverSchema } from "./server.ts";
import { makeValidators } from "./validator.ts";

const published = [deploymentSchema, repositorySchema, serverSchema] as readonly Schema[];

/** Every field of a schema, wherever it stands, with the path to it. */
function* fields(schema: unknown, path = "#"): Generator<[string, Schema]> {
  if (typeof schema !== "object" || schema === null) return;
  for (const [keyword, value] of Object.entries(schema)) {
    if (["examples", "enum", "const"].includes(keyword)) continue;
    // Within a condition fields are named, not described.
    if (["if", "dependentSchemas"].includes(keyword)) continue;
    if (keyword === "properties") {
      for (const [name, field] of Object.entries(value as object))
        yield [`${path}/properties/${name}`, field as Schema];
    }
    if (keyword === "items" || (keyword === "additionalProperties" && typeof value === "object")) {
      yield [`${path}/${keyword}`, value as Schema];
    }
    yield* fields(value, `${path}/${keyword}`);
  }
}

test("every field has a description and examples that are valid", () => {
  for (const root of published) {
    const ajv = new Ajv2020({ allowUnionTypes: true, strictRequired: false }).addSchema(root);
    let count = 0;
    for (const [path, field] of fields(root)) {
      const definition = typeof field.$ref === "string" ? field.$ref.slice("#/$defs/".length) : undefined;
      const full =
        definition === undefined ? field : { ...(root.$defs as Record<string, Schema>)[definition], ...field };
      count += 1;
      assert.equal(typeof full.description, "string", `${String(root.title)} ${path} has no description`);
      assert.ok(
        Array.isArray(full.examples) && full.examples.length > 0,
        `${String(root.title)} ${path} has no example`,
      );
      const pointer = path.split("/").map(encodeURIComponent).join("/").replace("%23", "");
      const validate = ajv.getSchema(`${String(root.$id)}#${pointer}`);
      for (const example of full.examples) {
        assert.ok(validate?.(example), `${path}: ${JSON.stringify(example)} ${JSON.stringify(validate?.errors)}`);
      }
    }
    assert.ok(count > 10);
  }
});

test("the published files are up to date", () => {
  execFileSync(process.execPath, [join(packageRoot, "scripts/generate.ts"), "--check"], { stdio: "pipe" });
});

test("docs/spec.md has every code of the table, and no other", () => {
  const text = readFileSync(join(packageRoot, "docs/spec.md"), "utf8");
  const codes = [...text.slice(text.indexOf("## Problems")).matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(
    ([, code]) => code,
  );
  assert.deepEqual(codes, Object.keys(problemTable));
});

test("the schema of a name means what core means by it", () => {
  const pattern = new RegExp(shapes.name.pattern, "u");
  const letters = fc.string({ unit: fc.constantFrom("a", "z", "0", "-", "A", "_", ".", " "), maxLength: 45 });
  fc.assert(
    fc.property(letters, (text) => assert.equal(pattern.test(text), isName(text))),
    { numRuns: 5000 },
  );
  for (const length of [1, 39, 40, 41]) assert.equal(pattern.test("a".repeat(length)), isName("a".repeat(length)));
});

test("the whole schema and that of the kind alone give one verdict", () => {
  const validators = makeValidators(deploymentSchema);
  for (const folder of ["valid", "invalid"]) {
    const path = join(packageRoot, "fixtures/spec", folder);
    for (const name of readdirSync(path).filter((name) => name.endsWith(".yaml"))) {
      for (const { value } of parseCarefully(readFileSync(join(path, name), "utf8")).documents) {
        const kind = kinds.find((kind) => kind === (value as { kind?: string } | undefined)?.kind);
        if (kind === undefined) continue;
        assert.equal(validators("#").accepts(value), validators(`#/$defs/${kind}`).accepts(value), name);
      }
    }
  }
});
