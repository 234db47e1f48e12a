import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { deflateSync } from "node:zlib";
import { spawnHere } from "../../core/spawn.ts";
import { makeObjectProcess, type ObjectProcess } from "./process.ts";
import { makePackedProcess, readPack } from "./pack.ts";

let folder: string;
let accepted: ObjectProcess;
const git = (args: readonly string[], input = ""): Buffer =>
  execFileSync("git", args, { cwd: folder, input, env: { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null" } });
const commit = (): string => {
  git(["add", "--all"]);
  git(["-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "--quiet", "--message", "words"]);
  return git(["rev-parse", "HEAD"]).toString().trim();
};
const lines = (count: number): string => Array.from({ length: count }, (_, index) => `line ${index}\n`).join("");

before(() => {
  folder = mkdtempSync(join(tmpdir(), "waybill-pack-"));
  git(["init", "--quiet", "--initial-branch=main"]);
  accepted = makeObjectProcess({ path: join(folder, ".git"), env: {}, spawn: spawnHere });
});
after(async () => {
  await accepted.close();
  rmSync(folder, { recursive: true });
});

const idsOf = (range: string): string[] =>
  git(["rev-list", "--objects", "--no-object-names", ...range.split(" ")])
    .toString()
    .trim()
    .split("\n");

test("a thin pack with deltas against what was accepted holds just what Git says it holds", async () => {
  writeFileSync(join(folder, "large.txt"), lines(3_000));
  writeFileSync(join(folder, "other.txt"), "words");
  const first = commit();
  writeFileSync(join(folder, "large.txt"), `${lines(2_000)}something else\n${lines(3_000)}`);
  writeFileSync(join(folder, "copy.txt"), `${lines(2_000)}and a copy\n${lines(3_000)}`);
  const second = commit();
  const range = `${second} ^${first}`;
  for (const options of [["--thin"], ["--thin", "--delta-base-offset"], []]) {
    const pack = git(["pack-objects", "--stdout", "--revs", "-q", ...options], range.replaceAll(" ", "\n"));
    const found = await readPack(pack, options.length === 0 ? { ask: async () => null } : accepted);
    assert.ok(found);
    assert.deepEqual([...found.keys()].sort(), idsOf(range).sort(), "ids are digests of the contents");
    for (const [id, { header, content }] of found) {
      assert.equal(header.id, id);
      assert.deepEqual(content.subarray(0, -1), git(["cat-file", header.type, id]));
    }
  }
});

test("its objects are seen before those that were accepted", async () => {
  const head = git(["rev-parse", "HEAD"]).toString().trim();
  const id = git(["rev-parse", "HEAD^{tree}"]).toString().trim();
  const pack = git(["pack-objects", "--stdout", "-q"], `${head}\n`);
  const found = await readPack(pack, accepted);
  assert.ok(found);
  const process = makePackedProcess(found, accepted);
  const typeOf = (name: string) =>
    process.ask(name, async ({ type, sizeBytes }, source) => {
      await source.take(sizeBytes + 1);
      return type;
    });
  assert.equal(await typeOf(head), "commit");
  assert.equal(await typeOf(id), "tree");
  assert.equal(await typeOf("0".repeat(40)), null);
});

const header = (count: number, version = 2): Buffer => {
  const bytes = Buffer.alloc(12);
  bytes.write("PACK", "latin1");
  bytes.writeUInt32BE(version, 4);
  bytes.writeUInt32BE(count, 8);
  return bytes;
};
const blob = 0b011_0000;
const byId = 0b111_0000;

test("what is large, broken or unknown is left to Git", async () => {
  const good = Buffer.concat([header(1), Buffer.from([blob | 5]), deflateSync("words")]);
  assert.equal((await readPack(good, accepted))?.size, 1);
  const base = git(["hash-object", "-w", "--stdin"], "x".repeat(500)).toString().trim();
  // Copies of 64 KiB, as many as a delta holds: what they come to is nobody's to keep.
  const copies = Buffer.concat([Buffer.from([0xf4, 3, 0xff, 0xff, 3]), Buffer.alloc(50_000, 0x80)]);
  const cases: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    "another version": Buffer.concat([header(1, 3), good.subarray(12)]),
    "more objects than there are": Buffer.concat([header(2), good.subarray(12)]),
    "many objects": header(101),
    "cut short": good.subarray(0, -4),
    garbage: Buffer.concat([header(1), Buffer.alloc(40, 0xff)]),
    "a kind that there is not": Buffer.concat([header(1), Buffer.from([0b101_0000]), deflateSync("words")]),
    "more than a mebibyte": Buffer.concat([header(1), Buffer.from([blob]), deflateSync(Buffer.alloc(2 ** 21))]),
    "a delta of what nobody has": Buffer.concat([header(1), Buffer.from([byId]), Buffer.alloc(20), deflateSync("ab")]),
    "a delta that grows": Buffer.concat([
      header(1),
      Buffer.from([byId]),
      Buffer.from(base, "hex"),
      deflateSync(copies),
    ]),
  };
  for (const [name, pack] of Object.entries(cases)) assert.equal(await readPack(pack, accepted), null, name);
});
