import assert from "node:assert/strict";
import { test } from "node:test";
import { asWaybillError } from "./errors.ts";

test("a disk without room is waited for; what nobody knows is a defect", () => {
  for (const code of ["ENOSPC", "EDQUOT", "53100", "58030"]) {
    const error = asWaybillError(Object.assign(new Error("no space left on device"), { code }));
    assert.deepEqual([error.code, error.httpStatus, error.exitStatus], ["DISK_FULL", 503, 75]);
    assert.equal(error.message, "make room on the disk and try again: no space left on device");
  }
  assert.equal(asWaybillError(Object.assign(new Error("odd"), { code: "EISDIR" })).code, "BUG");
  assert.equal(asWaybillError("odd").message, "odd");
});
