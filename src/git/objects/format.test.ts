import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { commitSha } from "../../core/names.ts";
import { dateOf, parseCommit, parseTree } from "./format.ts";

const id = "ab".repeat(20);
const sha = commitSha("cd".repeat(20));
const row = (mode: string, name: string): Buffer =>
  Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]);

test("a tree is read row by row", () => {
  assert.deepEqual(parseTree(Buffer.concat([row("100644", "a b"), row("40000", "dir")]), 20), [
    { mode: "100644", name: "a b", id },
    { mode: "40000", name: "dir", id },
  ]);
  assert.deepEqual(parseTree(row("040000", "old"), 20), [{ mode: "40000", name: "old", id }]);
  assert.deepEqual(parseTree(Buffer.alloc(0), 20), []);
});

test("a tree that is cut short anywhere is an error, never a shorter tree", () => {
  const whole = Buffer.concat([row("100644", "a"), row("100755", "b")]);
  for (let length = 1; length < whole.length; length += 1) {
    if (length === whole.length / 2) continue;
    assert.throws(() => parseTree(whole.subarray(0, length), 20), TypeError);
  }
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      try {
        parseTree(Buffer.from(bytes), 20);
      } catch (error) {
        assert.ok(error instanceof TypeError);
      }
    }),
  );
});

test("a commit is read with its people, parents and subject", () => {
  const text = [
    `tree ${id}`,
    `parent ${id}`,
    `parent ${id}`,
    "author Änn <ann@example.org> 1700000000 +0100",
    "committer Bob <bob@example.org> 1700000100 +0000",
    "gpgsig -----BEGIN PGP SIGNATURE-----",
    " tree of lies",
    "",
    "Say it",
    "",
    "parent of none",
  ].join("\n");
  assert.deepEqual(parseCommit(sha, Buffer.from(text)), {
    sha,
    tree: id,
    parents: [id, id],
    author: "Änn",
    email: "ann@example.org",
    at: new Date(1_700_000_100_000),
    subject: "Say it",
  });
});

test("a commit in another encoding is read in it, one in none that is known as UTF-8", () => {
  const commit = (encoding: string): Buffer =>
    Buffer.from(
      `tree ${id}\nauthor J\xf6rg <j@x> 1 +0000\ncommitter J <j@x> 1 +0000\nencoding ${encoding}\n\nGr\xfc\xdfe`,
      "latin1",
    );
  assert.equal(parseCommit(sha, commit("ISO-8859-1")).subject, "Grüße");
  assert.equal(parseCommit(sha, commit("ISO-8859-1")).author, "Jörg");
  assert.equal(parseCommit(sha, commit("klingon")).subject, "Gr\ufffd\ufffde");
});

test("a date that no calendar holds is not a crash", () => {
  assert.equal(dateOf("99999999999999999999").getTime(), 0);
  assert.equal(dateOf("").getTime(), 0);
});
