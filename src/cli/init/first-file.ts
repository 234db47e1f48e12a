import { basename } from "node:path";
import type { Folder } from "./folder.ts";
import type { Draft } from "./recipe.ts";
import { WaybillError } from "../../core/errors.ts";
import { isName } from "../../core/names.ts";
import { toYaml } from "../../spec/text/yaml-output.ts";
import { nodeRecipe } from "./node-recipe.ts";
import { pythonRecipe } from "./python-recipe.ts";
import { staticRecipe } from "./static-recipe.ts";

export interface FirstFile {
  readonly name: string;
  /** Relative to the repository's root. */
  readonly path: string;
  readonly text: string;
  readonly draft: Draft;
}

const recipes = [nodeRecipe, pythonRecipe, staticRecipe];
const known =
  "package.json, an Express, Fastify, Koa, Next.js or Vite program, Flask, FastAPI, Panel, Streamlit, Django, a server.js, app.py or main.py, or an index.html";

/** The first deployment file of a folder; `sourcePath` is where the folder is in its repository. */
export function firstFile(folder: Folder, sourcePath: string): FirstFile {
  const draft = recipes.map((recipe) => recipe(folder)).find((found) => found !== null);
  if (!draft) {
    throw new WaybillError(
      "NOT_FOUND",
      `${folder.path} holds nothing that init knows (${known}): docs/spec.md shows how to write the file by hand`,
    );
  }
  const name = nameOf([draft.name, basename(folder.path)]);
  const source = sourcePath === "." ? {} : { source: { path: sourcePath } };
  const document = { apiVersion: "waybill/v1", kind: draft.kind, ...source, ...draft.fields };
  return { name, path: `deployments/${name}.yaml`, text: `${schemaLine}\n${toYaml(document)}${accessLines}`, draft };
}

/** Read by the YAML language server of editors. */
const schemaLine = "# yaml-language-server: $schema=../deploy.schema.json";
const accessLines = `# Who may open it: whoever is signed in, unless you say otherwise.
# access: {visibility: public}
`;

function nameOf(candidates: readonly (string | undefined)[]): string {
  const names = candidates.map((text = "") =>
    text
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .slice(0, 40)
      .replaceAll(/^-+|-+$/g, ""),
  );
  return names.find(isName) ?? "app";
}
