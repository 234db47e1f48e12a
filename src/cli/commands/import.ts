import { readFile, stat } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { messageOf, WaybillError } from "../../core/errors.ts";
import { formatProblem } from "../../spec/problem.ts";
import { answer, type CommandContext } from "../command.ts";
import { importFiles, type Imported, type Product } from "../import/import-files.ts";
import { repositoryRoot, writeNew } from "../new-file.ts";

const maxBytes = 1 << 20;
const usualFile: Readonly<Record<Product, string>> = { prefect: "prefect.yaml", saturn: "recipe.yaml" };

/** Writes deployment files of another product's files. Nothing that exists is overwritten. */
export async function importDeployments(
  context: CommandContext,
  product: Product,
  paths: readonly string[],
): Promise<void> {
  const { cwd } = context.terminal;
  const names = paths.length > 0 ? paths : [usualFile[product]];
  const given = await Promise.all(names.map(async (name) => ({ name, text: await textOf(resolve(cwd, name), name) })));
  const imported = importFiles(product, given);
  if (imported.files.length === 0) {
    const notes = imported.notes.map(({ file, line, message }) => `\n${file}:${line} ${message}`);
    throw new WaybillError("NOT_FOUND", `${names.join(", ")}: no deployment was found there${notes.join("")}`);
  }
  const root = (await repositoryRoot(cwd)) ?? cwd;
  for (const [index, { path, text }] of imported.files.entries()) {
    if (await writeNew(join(root, path), text)) continue;
    const before = imported.files.slice(0, index).map((file) => file.path);
    const written = before.length === 0 ? "" : ` (written before it: ${before.join(", ")})`;
    throw new WaybillError("CONFLICT", `${path} exists already, and is left as it is: move it away${written}`);
  }
  const { files, notes, problems } = imported;
  const shown = files.map(({ name, kind, path }) => ({ name, kind, file: relative(cwd, join(root, path)) }));
  answer(context, { deployments: shown, notes, problems }, linesOf(imported, shown));
}

async function textOf(file: string, name: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > maxBytes)
      throw new WaybillError("REQUEST_INVALID", `${name} has ${size} bytes; at most ${maxBytes} are read`);
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof WaybillError) throw error;
    throw new WaybillError("REQUEST_INVALID", `${name} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

function linesOf({ notes, problems }: Imported, files: readonly { kind: string; file: string }[]): readonly string[] {
  return [
    ...files.map(({ kind, file }) => `wrote ${file}, a ${kind}`),
    ...(notes.length === 0 ? [] : ["", "To look at:"]),
    ...notes.map(({ file, line, field, message }) => `${file}:${line} ${field === "" ? "" : `${field}: `}${message}`),
    ...(problems.length === 0 ? [] : ["", "To correct before they can be deployed:"]),
    ...problems.map(formatProblem),
    "",
    "Next: waybill validate",
  ];
}
