import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import type { Command } from "commander";
import { packageRoot } from "../core/package-root.ts";
import { routeTable } from "../http/routes.ts";
import { makeTestApp } from "../../test/support/http-app.ts";
import { buildProgram } from "./program.ts";

const byText = (a = "", b = ""): number => a.localeCompare(b, "en");
const docs = (name: string): string => readFileSync(join(packageRoot, "docs", name), "utf8");

function usages(command: Command, path: readonly string[] = []): readonly string[] {
  const here = [...path, command.name()];
  if (command.commands.length > 0) return command.commands.flatMap((one) => usages(one, here));
  const args = command.registeredArguments.map((one) =>
    one.required ? one.name().toUpperCase() : `[${one.name().toUpperCase()}]`,
  );
  return [[...here, ...args].join(" ")];
}

test("docs/cli.md has every command, and no other", () => {
  const terminal = {
    env: {},
    cwd: "/",
    stdin: Readable.from([]),
    out: () => undefined,
    err: () => undefined,
    isColoured: false,
    columns: 80,
    signal: AbortSignal.abort(),
  };
  const program = buildProgram(terminal, () => undefined);
  const documented = [...docs("cli.md").matchAll(/^\| `(waybill [^`]+)`/gm)].map(([, usage]) => usage);
  assert.deepEqual(documented.toSorted(byText), usages(program).toSorted(byText));
});

test("docs/api.md has every route, and no other", () => {
  const documented = docs("api.md")
    .split("\n")
    .filter((line) => /^\| (?:GET|POST|PUT|DELETE)/.test(line))
    .map((line) =>
      line
        .split("|")
        .map((cell) => cell.trim())
        .join("|"),
    );
  const routes = routeTable(makeTestApp().dependencies).filter(({ voice }) => voice !== "page");
  assert.deepEqual(
    documented,
    routes.map(({ method, path, audience, summary }) => `|${method}|${path}|${audience}|${summary}|`),
  );
});
