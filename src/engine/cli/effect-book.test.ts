import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeCipher } from "../../core/cipher.ts";
import { PartialCreate } from "../provider.ts";
import { openEffectBook, readInterrupted } from "./effect-book.ts";

test("the book knows what was begun, how it ended, and shows no input", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "waybill-book-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "book.jsonl");
  const parts = { file, scope: "shop/production--web", secrets: makeCipher(Buffer.alloc(32, 7)) };
  assert.equal(readInterrupted(parts), null);
  const book = openEffectBook(parts, "create 1");
  book.carriedBy(7, new Date("2026-11-21T12:00:00Z"));
  const creation = (urn: string) => ({ urn, type: "t", provider: "p::1", inputs: { password: "correct horse" } });
  await book.during(creation("done"), async () => ({ id: "done-1", outputs: {} }));
  await assert.rejects(book.during(creation("refused"), () => Promise.reject(new Error("no"))));
  const partial = new PartialCreate({ id: "half-1", outputs: {}, reasons: ["not ready"] });
  await assert.rejects(book.during(creation("half"), () => Promise.reject(partial)));
  void book.during(creation("open"), () => new Promise(() => undefined));
  appendFileSync(file, '{"kind":"begin","at":9,"crea');
  assert.doesNotMatch(readFileSync(file, "utf8"), /correct horse/);
  const interrupted = readInterrupted(parts);
  assert.deepEqual(interrupted?.process, { pid: 7, at: new Date("2026-11-21T12:00:00Z") });
  assert.equal(interrupted?.createKey, "create 1");
  assert.deepEqual(interrupted?.creations, [
    { ...creation("done"), id: "done-1" },
    { ...creation("half"), id: "half-1" },
    { ...creation("open"), id: undefined },
  ]);
  book.close();
  assert.equal(existsSync(file), false);
  await book.during(creation("late"), async () => ({ id: "late-1", outputs: {} }));
  assert.equal(existsSync(file), false, "what ends late writes into no other operation's book");
});
