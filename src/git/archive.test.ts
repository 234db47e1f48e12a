import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { treeSha } from "../core/names.ts";
import { testGit } from "../../test/support/test-git.ts";
import type { ArchivedFile } from "./archive.ts";

test("an archive holds the tree as its objects say, and the further files in place of its own", async () => {
  await using world = await testGit();
  const { clone, hosted, folder } = world;
  const long = `${"deep/".repeat(25)}${"n".repeat(120)}.txt`;
  const large = Buffer.alloc(9 * 1024 * 1024, "abc");
  await clone.write({
    "a.txt": "one\n",
    größe: "umlaut",
    [long]: "far down",
    large,
    "run.sh": "#!/bin/sh\n",
    empty: "",
  });
  await clone.write({ ".gitattributes": "a.txt export-ignore\n" });
  await clone.makeExecutable("run.sh");
  await clone.link("up", long);
  await clone.commit("change");
  await clone.git("push", "--quiet", "--force", "origin", "HEAD");
  const tree = treeSha(await clone.git("rev-parse", "HEAD^{tree}"));
  const make = async (files: readonly ArchivedFile[] = []): Promise<Buffer> => {
    const pieces: Buffer[] = [];
    await hosted.archive(tree, { files, signal: new AbortController().signal }, async (bytes) => {
      pieces.push(Buffer.from(bytes));
    });
    return Buffer.concat(pieces);
  };
  const bytes = await make([{ path: "a.txt", content: Buffer.from("other"), mode: 0o600 }]);
  const out = join(folder, "out");
  mkdirSync(out);
  execFileSync("tar", ["-xf", "-", "-C", out], { input: bytes });
  const read = (path: string): string => readFileSync(join(out, path), "utf8");
  assert.equal(read("a.txt"), "other");
  assert.equal(lstatSync(join(out, "a.txt")).mode & 0o777, 0o600);
  assert.equal(read("größe"), "umlaut");
  assert.equal(read(long), "far down");
  assert.equal(readlinkSync(join(out, "up")), long);
  assert.equal(statSync(join(out, "run.sh")).mode & 0o777, 0o755);
  assert.ok(readFileSync(join(out, "large")).equals(large));
  assert.ok(existsSync(join(out, "empty")));
  assert.ok((await make()).equals(await make()));
  const names = execFileSync(
    "python3",
    ["-c", "import sys,tarfile;print(len(tarfile.open(fileobj=sys.stdin.buffer,mode='r|').getnames()))"],
    { input: bytes },
  );
  assert.equal(names.toString().trim(), String(6 + 1 + 25 + 1 + 1));
});

test("a link that leads out of the tree is refused before a byte is written", async () => {
  await using world = await testGit();
  const { clone, hosted } = world;
  await clone.link("evil", "../../etc/passwd");
  await clone.commit("change");
  await clone.git("push", "--quiet", "--force", "origin", "HEAD");
  const tree = treeSha(await clone.git("rev-parse", "HEAD^{tree}"));
  let written = 0;
  const archived = hosted.archive(tree, { signal: new AbortController().signal }, async ({ length }) => {
    written += length;
  });
  await assert.rejects(archived, { code: "TREE_UNSAFE" });
  assert.equal(written, 0);
});
