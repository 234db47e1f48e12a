import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { linkLibraries } from "./postgres-libraries.ts";

function makePackage(links: readonly object[] | null) {
  const folder = mkdtempSync(join(tmpdir(), "waybill-libraries-"));
  mkdirSync(join(folder, "native/lib"), { recursive: true });
  writeFileSync(join(folder, "native/lib/libpq.so.5.18"), "code");
  if (links) writeFileSync(join(folder, "native/pg-symlinks.json"), JSON.stringify(links));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}

const link = { source: "native/lib/libpq.so.5.18", target: "native/lib/libpq.so.5" };

test("links that no install script made are made, once", () => {
  using made = makePackage([link]);
  linkLibraries(made.folder);
  linkLibraries(made.folder);
  assert.equal(readlinkSync(join(made.folder, link.target)), "libpq.so.5.18");
  assert.equal(readFileSync(join(made.folder, link.target), "utf8"), "code");
});

test("a platform without links is left alone", () => {
  using made = makePackage(null);
  linkLibraries(made.folder);
});

test("what cannot be made is said with the way out", () => {
  using made = makePackage([{ source: link.source, target: "native/nowhere/libpq.so.5" }]);
  assert.throws(() => linkLibraries(made.folder), {
    code: "DATABASE_UNAVAILABLE",
    message: /nowhere\/libpq\.so\.5, a link to libpq\.so\.5\.18, cannot be made: install Waybill again .*DATABASE_URL/,
  });
});
