// Compiles the package into dist/: node_modules may not hold TypeScript that Node runs by itself.
import { execFileSync } from "node:child_process";
import { cpSync, rmSync, chmodSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
rmSync("dist", { recursive: true, force: true });
// Types are checked by `npm run types`: here it would take three times as long as all the rest.
const compile = [require.resolve("typescript/bin/tsc"), "-p", "tsconfig.build.json", "--noCheck"];
execFileSync(process.execPath, compile, { stdio: "inherit" });
// Style, script and symbols of the pages, which the compiler leaves behind.
for (const name of ["page.css", "page.js", "mark.svg"])
  cpSync(`src/http/assets/${name}`, `dist/src/http/assets/${name}`);
chmodSync("dist/src/main.js", 0o755);
