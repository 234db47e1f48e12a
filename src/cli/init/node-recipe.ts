import { join } from "node:path/posix";
import type { Folder } from "./folder.ts";
import { portHint, word, type Draft, type Recipe } from "./recipe.ts";

interface PackageJson {
  readonly name?: string;
  readonly main?: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

interface Manager {
  readonly install: string;
  readonly run: string;
}

const servers = {
  express: "an Express server",
  fastify: "a Fastify server",
  koa: "a Koa server",
  hono: "a Hono server",
  "@nestjs/core": "a Nest server",
} as const;

const entries = ["server.js", "index.js", "app.js", "main.js", "server.mjs", "index.mjs", "server.ts", "index.ts"];

/** package.json, or a lone server file. */
export const nodeRecipe: Recipe = (folder) => {
  const text = folder.read("package.json");
  if (text === null) return loneFile(folder);
  const manifest = readManifest(text);
  if (manifest === null) return null;
  const known = { ...manifest.dependencies, ...manifest.devDependencies };
  if ("next" in known) return nextDraft(folder, manifest);
  const server = Object.entries(servers).find(([name]) => name in known);
  if (server) return serverDraft(folder, manifest, server[1]);
  if ("vite" in known && manifest.scripts["build"] !== undefined) return viteDraft(folder, manifest);
  return manifest.scripts["start"] !== undefined || entryOf(folder, manifest) !== null
    ? serverDraft(folder, manifest, "a Node program")
    : null;
};

function readManifest(text: string): PackageJson | null {
  try {
    const found: unknown = JSON.parse(text);
    if (!isRecord(found)) return null;
    const { name, main } = found;
    return {
      ...(typeof name === "string" && { name }),
      ...(typeof main === "string" && { main }),
      scripts: textsOf(found["scripts"]),
      dependencies: textsOf(found["dependencies"]),
      devDependencies: textsOf(found["devDependencies"]),
    };
  } catch {
    // Somebody is in the middle of editing it: other recipes may know the folder.
    return null;
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

const textsOf = (value: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(isRecord(value) ? value : {}).filter(
      (field): field is [string, string] => typeof field[1] === "string",
    ),
  );

function managerOf(folder: Folder): Manager {
  if (folder.has("pnpm-lock.yaml")) return { install: "pnpm install --frozen-lockfile", run: "pnpm run" };
  if (folder.has("yarn.lock")) return { install: "yarn install --frozen-lockfile", run: "yarn run" };
  return { install: folder.has("package-lock.json") ? "npm ci" : "npm install", run: "npm run" };
}

function buildOf(folder: Folder, { dependencies, devDependencies, scripts }: PackageJson): { build?: string } {
  const { install, run } = managerOf(folder);
  const hasDependencies = Object.keys({ ...dependencies, ...devDependencies }).length > 0;
  const steps = [...(hasDependencies ? [install] : []), ...(scripts["build"] === undefined ? [] : [`${run} build`])];
  return steps.length === 0 ? {} : { build: steps.join(" && ") };
}

const named = ({ name }: PackageJson): { name?: string } =>
  name === undefined ? {} : { name: name.replace(/^@[^/]+\//, "") };

function nextDraft(folder: Folder, manifest: PackageJson): Draft {
  const command = "node_modules/.bin/next start --hostname 0.0.0.0 --port $PORT";
  return {
    saw: "a Next.js application",
    ...named(manifest),
    kind: "service",
    fields: { ...buildOf(folder, manifest), command },
    hints: [],
  };
}

function viteDraft(folder: Folder, manifest: PackageJson): Draft {
  const fields = { ...buildOf(folder, manifest), folder: "dist", spa: true };
  return { saw: "a Vite application, served as files", ...named(manifest), kind: "site", fields, hints: [] };
}

function serverDraft(folder: Folder, manifest: PackageJson, saw: string): Draft {
  const { run } = managerOf(folder);
  const start = manifest.scripts["start"];
  const entry = entryOf(folder, manifest);
  // A program that is started directly hears signals at once, without a package manager between.
  const isDirect = start !== undefined && /^node [^&|;<>$`]+$/.test(start);
  const command = start === undefined ? `node ${word(entry ?? "index.js")}` : isDirect ? start : `${run} start`;
  return {
    saw,
    ...named(manifest),
    kind: "service",
    fields: { ...buildOf(folder, manifest), command },
    hints: hintsOf(folder, entry),
  };
}

const loneFile = (folder: Folder): Draft | null => {
  const entry = entries.find((name) => folder.read(name)?.includes("listen("));
  if (entry === undefined) return null;
  return {
    saw: `a Node server in ${entry}`,
    kind: "service",
    fields: { command: `node ${word(entry)}` },
    hints: hintsOf(folder, entry),
  };
};

function entryOf(folder: Folder, { main, scripts }: PackageJson): string | null {
  const started = /^node (?:--\S+ )*(\S+\.[cm]?[jt]s)/.exec(scripts["start"] ?? "")?.[1];
  // A folder is run by its index.
  const wanted = main === undefined ? [] : [main, `${main}.js`, join(main, "index.js")];
  return [started, ...wanted, ...entries].find((name) => name !== undefined && folder.has(name)) ?? null;
}

function hintsOf(folder: Folder, entry: string | null): readonly string[] {
  const text = entry === null ? null : folder.read(entry);
  if (entry === null || text === null) return [];
  const hints = text.includes("PORT") ? [] : [portHint(entry, "process.env.PORT")];
  // Fastify alone listens on the loopback address when it is not told where.
  const isNarrow = text.includes("astify") && !/host\s*:/.test(text);
  return isNarrow
    ? [...hints, `${entry} listens on 127.0.0.1 only; with {host: "0.0.0.0"} it works everywhere`]
    : hints;
}
