// Node strips types from .ts by itself but does not know JSX: this teaches it .tsx when running from a checkout.
// The published package is compiled (scripts/build.mjs) and never loads this file.
import { readFileSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);

registerHooks({
  load(url, context, nextLoad) {
    if (!url.endsWith(".tsx")) return nextLoad(url, context);
    const ts = require("typescript");
    const { outputText } = ts.transpileModule(readFileSync(fileURLToPath(url), "utf8"), {
      fileName: fileURLToPath(url),
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2024,
        jsx: ts.JsxEmit.ReactJSX,
        jsxImportSource: "hono/jsx",
        verbatimModuleSyntax: true,
        inlineSourceMap: true,
      },
    });
    return { format: "module", source: outputText, shortCircuit: true };
  },
});
