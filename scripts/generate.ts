// Writes what is derived from the source: the published JSON Schemas and docs/spec.md.
// With --check nothing is written, and the exit status says whether all of it is up to date.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageRoot } from "../src/core/package-root.ts";
import { deploymentSchema } from "../src/spec/schema/deployment.ts";
import { repositorySchema } from "../src/spec/schema/repository.ts";
import { serverSchema } from "../src/spec/schema/server.ts";
import { specReference } from "./generate/spec-reference.ts";

const json = (schema: object): string => `${JSON.stringify(schema, null, 2)}\n`;

const artifacts: Readonly<Record<string, () => string>> = {
  "deploy.schema.json": () => json(deploymentSchema),
  "schemas/repository.schema.json": () => json(repositorySchema),
  "schemas/server.schema.json": () => json(serverSchema),
  "docs/spec.md": specReference,
};

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

const isCheck = process.argv.includes("--check");
for (const [name, render] of Object.entries(artifacts)) {
  const path = join(packageRoot, name);
  const wanted = render();
  if (contentOf(path) === wanted) continue;
  if (isCheck) {
    console.error(`${name} is out of date: run npm run generate`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, wanted);
    console.log(`wrote ${name}`);
  }
}
