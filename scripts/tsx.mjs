// Node strips types from .ts by itself but does not know JSX: this teaches it .tsx when running from a checkout.
// The published package is compiled (scripts/build.mjs) and never loads this file.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire, enableCompileCache, registerHooks } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const self = fileURLToPath(import.meta.url);
// What a server loads takes seconds to translate and compile, and a run of the tests starts hundreds of processes.
const cache = fileURLToPath(new URL("../node_modules/.cache/waybill", import.meta.url));
// The variable is for processes that are started without this file.
process.env["NODE_COMPILE_CACHE"] ??= join(cache, "compiled");
enableCompileCache(process.env["NODE_COMPILE_CACHE"]);

// What @pulumi/pulumi sends functions elsewhere with, npm's installer and TypeScript: a third of what a server loads.
const unused = /\/@pulumi\/pulumi\/(?:runtime\/closure\/codePaths|typescript-shim)\.js$/;

registerHooks({
  load(url, context, nextLoad) {
    if (unused.test(url)) return { format: "commonjs", source: "", shortCircuit: true };
    if (!url.endsWith(".tsx")) return nextLoad(url, context);
    return { format: "module", source: translated(fileURLToPath(url)), shortCircuit: true };
  },
});

function translated(file) {
  const source = readFileSync(file, "utf8");
  const parts = [readFileSync(self, "utf8"), readFileSync(require.resolve("typescript/package.json")), file, source];
  const kept = join(cache, "tsx", `${createHash("sha256").update(parts.join("\0")).digest("hex")}.js`);
  try {
    return readFileSync(kept, "utf8");
  } catch {
    const text = translate(file, source);
    keep(kept, text);
    return text;
  }
}

function translate(fileName, source) {
  const ts = require("typescript");
  return ts.transpileModule(source, {
    fileName,
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2024,
      jsx: ts.JsxEmit.ReactJSX,
      jsxImportSource: "hono/jsx",
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
    },
  }).outputText;
}

function keep(file, text) {
  const draft = `${file}.${process.pid}`;
  try {
    mkdirSync(join(cache, "tsx"), { recursive: true });
    writeFileSync(draft, text);
    // Others may be about to write the same.
    renameSync(draft, file);
  } catch {
    // Whoever may not write there translates each time.
  }
}
