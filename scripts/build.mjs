// Compiles the package into dist/: node_modules may not hold TypeScript that Node runs by itself.
import { execFileSync } from "node:child_process";
import { rmSync, chmodSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), "-p", "tsconfig.build.json"], {
  stdio: "inherit",
});
chmodSync("dist/src/main.js", 0o755);
