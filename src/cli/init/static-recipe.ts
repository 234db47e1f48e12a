import type { Recipe } from "./recipe.ts";

const folders = [".", "public", "site", "docs", "www", "html"];

/** A folder with an index.html. */
export const staticRecipe: Recipe = (folder) => {
  const found = folders.find((name) => folder.has(`${name}/index.html`));
  if (found === undefined) return null;
  const where = found === "." ? "this folder" : `${found}/`;
  return {
    saw: `a static site in ${where}`,
    kind: "site",
    fields: found === "." ? {} : { folder: found },
    hints: found === "." ? ["Everything in this folder is served: keep private files out of it"] : [],
  };
};
