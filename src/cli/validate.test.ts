import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { WaybillError } from "../core/errors.ts";
import { formatProblem } from "../spec/problem.ts";
import { formatValidation, runValidate } from "./validate.ts";

const folder = mkdtempSync(join(tmpdir(), "waybill-validate-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const service = "apiVersion: waybill/v1\nkind: service\ncommand: a\n";
mkdirSync(join(folder, "deployments"));
writeFileSync(join(folder, "waybill.yaml"), "apiVersion: waybill/v1\n");
writeFileSync(join(folder, "deployments/good.yaml"), service);
writeFileSync(join(folder, "deployments/bad.yml"), `${service}size: gpu-smal\n`);
writeFileSync(join(folder, "deployments/notes.md"), "not looked at");
writeFileSync(join(folder, "deployments/large.yaml"), "");
truncateSync(join(folder, "deployments/large.yaml"), 100 * 2 ** 20);
symlinkSync("/etc/passwd", join(folder, "deployments/link.yaml"));
mkdirSync(join(folder, "deployments/folder.yaml"));

const expected = [
  'deployments/bad.yml:4:7 SIZE_UNKNOWN size "gpu-smal" is not in this server\'s catalogue. Did you mean "gpu-small"?',
  "deployments/folder.yaml:1:1 FILE_NOT_REGULAR this is not a plain file: put the file itself in its place",
  "deployments/large.yaml:1:1 FILE_TOO_LARGE the file is 104857600 bytes; at most 1048576 are read",
  "deployments/link.yaml:1:1 FILE_NOT_REGULAR this is a symbolic link: put the file itself in its place",
];

const sizeHint =
  "Sizes were looked up in the catalogue that Waybill comes with. A server may have others: waybill plan asks it.";

test("a folder is checked without following links or reading large files", async () => {
  const validation = await runValidate(folder);
  assert.deepEqual(validation.problems.map(formatProblem), expected);
  assert.equal(formatValidation(validation), [...expected, sizeHint, "4 problems in 6 files"].join("\n"));
});

test("the deployments folder itself means its repository", async () => {
  assert.deepEqual(await runValidate(join(folder, "deployments")), await runValidate(folder));
});

test("one file is checked by itself", async () => {
  assert.equal(formatValidation(await runValidate(join(folder, "deployments/good.yaml"))), "no problems in 1 file");
  const { problems } = await runValidate(join(folder, "deployments/bad.yml"));
  assert.deepEqual(problems.map(formatProblem), expected.slice(0, 1));
  assert.deepEqual((await runValidate(join(folder, "waybill.yaml"))).problems, []);
});

test("where there is nothing to check, that is said", async () => {
  await assert.rejects(runValidate(join(folder, "deployments/folder.yaml")), (error) => error instanceof WaybillError);
  await assert.rejects(runValidate(join(folder, "nowhere")), { code: "REQUEST_INVALID" });
});
