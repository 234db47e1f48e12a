import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "./command.ts";
import { isNewEnough, withVersionChecked } from "./version.ts";

test("versions are compared number by number", () => {
  for (const version of ["v3.250.0", "v3.250.1", "v3.1000.0", "v4.0.0", "v3.251.0-alpha.1+dirty"]) {
    assert.equal(isNewEnough(version), true, version);
  }
  for (const version of ["v3.249.9", "v2.999.0", "3.250", "", "command not found"]) {
    assert.equal(isNewEnough(version), false, version);
  }
});

test("the version is asked for once, and again after it was too old", async () => {
  const asked: string[] = [];
  let version = "v3.100.0";
  const command: Command = async (args) => {
    asked.push(args.join(" "));
    return { status: 0, stdout: `${version}\n`, stderr: "" };
  };
  const checked = withVersionChecked(command);
  await assert.rejects(checked(["up"], { cwd: "/" }), {
    code: "CLI_UNAVAILABLE",
    message: /"v3\.100\.0"; wanted is v3\.250\.0 or later/,
  });
  version = "v3.250.0";
  await checked(["up"], { cwd: "/" });
  await checked(["preview"], { cwd: "/" });
  assert.deepEqual(asked, ["version", "version", "up", "preview"]);
});
