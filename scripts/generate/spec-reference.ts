import { defaultSizes } from "../../src/spec/context.ts";
import { problemTable } from "../../src/spec/problem-table.ts";
import type { Schema } from "../../src/spec/schema/build.ts";
import { deploymentSchema, kinds } from "../../src/spec/schema/deployment.ts";
import { repositorySchema } from "../../src/spec/schema/repository.ts";
import { serverSchema } from "../../src/spec/schema/server.ts";

const definitions = deploymentSchema.$defs as Readonly<Record<string, Schema>>;

/** docs/spec.md, from the schemas and the tables of problems and sizes. */
export function specReference(): string {
  return `${[
    "<!-- Written by npm run generate. Change the schema, not this file. -->",
    "# The files",
    ...introduction(),
    ...kinds.flatMap(kindSection),
    "## Parts of a deployment",
    "A deployment of several parts has `components`. Each part has these fields:",
    fieldTable(definitions.component),
    "## Fields with fields of their own",
    ...nestedSections(),
    "## waybill.yaml",
    "At the repository's root, and optional: without it the default branch is `production`.",
    fieldTable(repositorySchema),
    ...inner(repositorySchema, ""),
    "## Settings of the server",
    "The file of `waybill serve --config FILE`.",
    fieldTable(serverSchema),
    ...inner(serverSchema, ""),
    "## Sizes",
    "The catalogue of a server whose settings name none:",
    sizeTable(),
    "## Problems",
    "Every problem is one line, `file:line:column CODE message`. Codes never change their meaning.",
    problemRows(),
  ].join("\n\n")}\n`;
}

function introduction(): string[] {
  return [
    "A deployment is one document of `deployments/NAME.yaml`. `waybill validate` checks all of them, and editors do so " +
      "while you type when the file starts with `# yaml-language-server: $schema=../deploy.schema.json`.",
    "Written in YAML 1.2: `yes` and `on` are text. Tags such as `!!binary`, merge keys (`<<`) and keys that are not text " +
      "are refused; anchors and aliases are read. A file holds at most 1 MiB, 20,000 values and 64 levels.",
    "A map under `environments` is laid over the rest in that environment: maps key by key at every depth, lists and " +
      "single values replaced. Naming an `image` in a `source` drops its `path` and `git`, and the other way round; a " +
      "`parameters.schema` is replaced whole. What results is checked like a file of its own.",
  ];
}

function kindSection(kind: string): string[] {
  const schema = definitions[kind];
  return [`## kind: ${kind}`, String(schema?.description), fieldTable(schema)];
}

function target(schema: Schema): Schema {
  const name = typeof schema.$ref === "string" ? schema.$ref.slice("#/$defs/".length) : undefined;
  return name === undefined ? schema : { ...definitions[name], ...schema };
}

function fieldTable(schema: Schema | undefined): string {
  const properties = (schema?.properties ?? {}) as Readonly<Record<string, Schema>>;
  const required = new Set((schema?.required ?? []) as readonly string[]);
  const rows = Object.entries(properties).map(([name, property]) => {
    const full = target(property);
    const label = `\`${name}\`${required.has(name) ? " (needed)" : ""}`;
    const [example] = (full.examples ?? []) as readonly unknown[];
    return row([label, typeText(full), String(full.description), `\`${flow(example)}\``]);
  });
  return [row(["Field", "Value", "Meaning", "Example"]), "|---|---|---|---|", ...rows].join("\n");
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}

const typeWords: Readonly<Record<string, string>> = {
  string: "text",
  integer: "whole number",
  number: "number",
  boolean: "true or false",
  object: "map",
  array: "list",
};

function typeText(schema: Schema): string {
  if (schema.const !== undefined) return `\`${flow(schema.const)}\``;
  if (Array.isArray(schema.enum)) return schema.enum.map((choice) => `\`${String(choice)}\``).join(", ");
  const types = [schema.type ?? []].flat().map(String);
  return types.map((type) => typeWords[type] ?? type).join(" or ");
}

/** A value in YAML's flow style, as it would be written in a file. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value)
      .map(([key, inner]) => `${key}: ${flow(inner)}`)
      .join(", ")}}`;
  }
  if (typeof value === "string") return /^[A-Za-z_./-][^,:#{}[\]\n]*$/.test(value) ? value : JSON.stringify(value);
  return String(value);
}

/** Fields of a schema that have fields themselves, with the path by which they are reached. */
function inner(schema: Schema, path: string): string[] {
  const properties = Object.entries((schema.properties ?? {}) as Readonly<Record<string, Schema>>);
  return properties.flatMap(([name, property]) => {
    const at = path === "" ? name : `${path}.${name}`;
    const full = target(property);
    const items = full.items as Schema | undefined;
    const values = typeof full.additionalProperties === "object" ? (full.additionalProperties as Schema) : undefined;
    return [
      ...section(full, at),
      ...(items === undefined ? [] : section(target(items), `${at}[]`)),
      ...(values === undefined ? [] : section(target(values), `${at}.NAME`)),
    ];
  });
}

function section(schema: Schema, at: string): string[] {
  return schema.properties === undefined ? [] : [`### ${at}`, fieldTable(schema), ...inner(schema, at)];
}

const described = new Set(["environments", "components"]);

function nestedSections(): string[] {
  const fields: Record<string, Schema> = {};
  for (const kind of kinds) {
    for (const [name, schema] of Object.entries((definitions[kind]?.properties ?? {}) as Record<string, Schema>)) {
      if (!described.has(name)) fields[name] ??= schema;
    }
  }
  return inner({ properties: fields }, "");
}

function sizeTable(): string {
  const rows = Object.entries(defaultSizes).map(([name, { cpu, memoryBytes, gpu }]) =>
    row([`\`${name}\``, String(cpu), `${memoryBytes / 2 ** 30} GiB`, gpu === undefined ? "none" : String(gpu.count)]),
  );
  return [row(["Size", "Cores", "Memory", "GPUs"]), "|---|---|---|---|", ...rows].join("\n");
}

function problemRows(): string {
  const rows = Object.entries(problemTable).map(([code, { meaning, remedy }]) => row([`\`${code}\``, meaning, remedy]));
  return [row(["Code", "What is wrong", "What to do"]), "|---|---|---|", ...rows].join("\n");
}
