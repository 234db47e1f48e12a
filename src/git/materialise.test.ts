import assert from "node:assert/strict";
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { treeSha, type TreeSha } from "../core/names.ts";
import type { WorkingCopy } from "../../test/support/repository.ts";
import { testGit, type TestGit } from "../../test/support/test-git.ts";

const never = new AbortController().signal;

async function pushedTree({ clone }: TestGit): Promise<TreeSha> {
  await clone.commit("change");
  await clone.git("push", "--quiet", "--force", "origin", "HEAD");
  return treeSha(await clone.git("rev-parse", "HEAD^{tree}"));
}

/** A tree with rows that Git's own commands would refuse to write, put into the repository past all checks. */
async function literalTree(
  { clone, hosted }: TestGit,
  rows: readonly [mode: string, name: string | Buffer, id: string][],
) {
  const bytes = rows.map(([mode, name, id]) =>
    Buffer.concat([Buffer.from(`${mode} `), Buffer.from(name), Buffer.from([0]), Buffer.from(id, "hex")]),
  );
  const id = await clone.hashObject("tree", Buffer.concat(bytes));
  const objects = `objects/${id.slice(0, 2)}/${id.slice(2)}`;
  await copy(join(clone.path, ".git", objects), join(hosted.path, objects));
  return treeSha(id);
}

async function literalBlob({ clone, hosted }: TestGit, content: string): Promise<string> {
  const id = await clone.hashObject("blob", content);
  const object = `objects/${id.slice(0, 2)}/${id.slice(2)}`;
  await copy(join(clone.path, ".git", object), join(hosted.path, object));
  return id;
}

async function copy(from: string, to: string): Promise<void> {
  const { copyFile, mkdir } = await import("node:fs/promises");
  await mkdir(join(to, ".."), { recursive: true });
  await copyFile(from, to);
}

test("a tree is written as its objects say, whatever its attributes ask for", async () => {
  await using world = await testGit();
  const { clone, hosted, folder } = world;
  await clone.write({
    ".gitattributes":
      "*.txt text eol=crlf\n*.bin filter=evil\n*.id ident\nsecret export-ignore\n*.u16 working-tree-encoding=UTF-16LE\n",
    "a.txt": "one\ntwo\n",
    "b.bin": Buffer.from([0, 255, 10, 13]),
    "c.id": "$Id$\n",
    secret: "kept",
    "d/e/run.sh": "#!/bin/sh\n",
    ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch /tmp/x\n',
  });
  await clone.makeExecutable("d/e/run.sh");
  await clone.link("d/up", "../a.txt");
  // Git's own attributes would change the bytes while adding: the objects are made without them.
  await clone.git("-c", "core.attributesFile=/dev/null", "add", "--all");
  const ids = new Map<string, string>();
  for (const file of ["a.txt", "b.bin", "c.id"])
    ids.set(file, await clone.git("hash-object", "-w", "--no-filters", file));
  for (const [file, id] of ids) await clone.git("update-index", "--add", "--cacheinfo", `100644,${id},${file}`);
  await clone.git("update-index", "--add", "--cacheinfo", `160000,${"ab".repeat(20)},x`);
  await clone.git("commit", "--quiet", "--message", "x");
  await clone.git("push", "--quiet", "origin", "main");
  const tree = treeSha(await clone.git("rev-parse", "HEAD^{tree}"));
  const out = join(folder, "out", "tree");
  await hosted.materialise(tree, out, never);
  assert.equal(readFileSync(join(out, "a.txt"), "utf8"), "one\ntwo\n");
  assert.deepEqual([...readFileSync(join(out, "b.bin"))], [0, 255, 10, 13]);
  assert.equal(readFileSync(join(out, "c.id"), "utf8"), "$Id$\n");
  assert.ok(existsSync(join(out, "secret")));
  assert.equal(readlinkSync(join(out, "d/up")), "../a.txt");
  assert.equal(statSync(join(out, "d/e/run.sh")).mode & 0o777, 0o755);
  assert.equal(statSync(join(out, "a.txt")).mode & 0o777, 0o644);
  assert.deepEqual(readdirSync(join(out, "x")), []);
  assert.deepEqual(readdirSync(join(folder, "out")), ["tree"]);
});

const links: [string, string, string][] = [
  ["an absolute link", "x", "/etc/passwd"],
  ["a link above the tree", "d/x", "../../x"],
  ["a link above the tree by way of a folder", "d/x", "e/../../../x"],
];
for (const [what, path, target] of links) {
  test(`${what} is refused before anything is written`, async () => {
    await using world = await testGit();
    await world.clone.write({ a: "1" });
    await world.clone.link(path, target);
    const tree = await pushedTree(world);
    const out = join(world.folder, "out", "tree");
    await assert.rejects(world.hosted.materialise(tree, out, never), {
      code: "TREE_UNSAFE",
      message: `${path} is a symbolic link to "${target}", which leads out of the source folder. Remove it from the source folder.`,
    });
    assert.equal(existsSync(join(world.folder, "out")), false);
  });
}

test("trees that no Git command would write are refused", async () => {
  await using world = await testGit();
  const { hosted, folder } = world;
  const blob = await literalBlob(world, "x");
  const up = await literalBlob(world, "..");
  const inner = await literalTree(world, [["100644", "config", blob]]);
  const trees: [string, [string, string | Buffer, string][]][] = [
    [".. has a name that must not be written to a disk", [["40000", "..", inner]]],
    [". has a name that must not be written to a disk", [["40000", ".", inner]]],
    [".git has a name that must not be written to a disk", [["40000", ".git", inner]]],
    [".GiT has a name that must not be written to a disk", [["40000", ".GiT", inner]]],
    ["git~1 has a name that must not be written to a disk", [["40000", "git~1", inner]]],
    ["../evil has a name that must not be written to a disk", [["100644", "../evil", blob]]],
    ["/etc/evil has a name that must not be written to a disk", [["100644", "/etc/evil", blob]]],
    ["\ufffd has a name that must not be written to a disk", [["100644", Buffer.from([0xff]), blob]]],
    ["x has the mode 20644, which no file has", [["020644", "x", blob]]],
    ['up is a symbolic link to "..", which leads out of the source folder', [["120000", "up", up]]],
  ];
  for (const [message, rows] of trees) {
    const tree = await literalTree(world, rows);
    const out = join(folder, "out", "tree");
    await assert.rejects(
      hosted.materialise(tree, out, never),
      (error: Error & { code?: string }) => error.code === "TREE_UNSAFE" && error.message.startsWith(message),
      message,
    );
    assert.equal(existsSync(join(folder, "out")), false, message);
  }
});

test("a name that is there twice, as link and as folder, writes nothing through the link", async () => {
  await using world = await testGit();
  const { hosted, folder } = world;
  const blob = await literalBlob(world, "x");
  const target = await literalBlob(world, "d");
  const inner = await literalTree(world, [["100644", "file", blob]]);
  const tree = await literalTree(world, [
    ["120000", "a", target],
    ["40000", "a", inner],
    ["40000", "d", inner],
  ]);
  await assert.rejects(hosted.materialise(tree, join(folder, "out", "tree"), never), { code: "EEXIST" });
  assert.deepEqual(readdirSync(join(folder, "out")), []);
});

test("a file of any size passes through", async () => {
  await using world = await testGit();
  const bytes = Buffer.alloc(20 * 1024 * 1024, "0123456789abcdef\n");
  await world.clone.write({ big: bytes, small: "x" });
  const tree = await pushedTree(world);
  const out = join(world.folder, "tree");
  await world.hosted.materialise(tree, out, never);
  assert.ok(readFileSync(join(out, "big")).equals(bytes));
  assert.equal(lstatSync(join(out, "big")).mode & 0o777, 0o644);
});

test("what is stopped halfway leaves nothing behind, and can be done again", async () => {
  await using world = await testGit();
  const { clone, hosted, folder } = world;
  await manyFiles(clone);
  const tree = await pushedTree(world);
  const out = join(folder, "out", "tree");
  const stop = new AbortController();
  const stopped = hosted.materialise(tree, out, stop.signal);
  setTimeout(() => stop.abort(new Error("enough")), 5);
  await assert.rejects(stopped, /enough/);
  assert.deepEqual(existsSync(join(folder, "out")) ? readdirSync(join(folder, "out")) : [], []);
  await hosted.materialise(tree, out, never);
  assert.equal(readdirSync(join(out, "many")).length, 2000);
});

const manyFiles = (clone: WorkingCopy): Promise<void> =>
  clone.write(Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`many/f${n}`, `${n}`.repeat(50)])));

test("two that write one tree to one place do not mix", async () => {
  await using world = await testGit();
  await world.clone.write({ "a/b": "1" });
  const tree = await pushedTree(world);
  const out = join(world.folder, "out", "tree");
  const results = await Promise.allSettled([1, 2, 3].map(() => world.hosted.materialise(tree, out, never)));
  assert.ok(results.some(({ status }) => status === "fulfilled"));
  assert.deepEqual(readdirSync(join(world.folder, "out")), ["tree"]);
  assert.equal(readFileSync(join(out, "a/b"), "utf8"), "1");
});
