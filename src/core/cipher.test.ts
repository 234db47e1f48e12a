import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { makeCipher } from "./cipher.ts";

test("what one key encrypts, only that key reads", () => {
  const [mine, other] = [makeCipher(randomBytes(32)), makeCipher(randomBytes(32))];
  const sealed = mine.encrypt("pa$$ wörd");
  assert.equal(mine.decrypt(sealed), "pa$$ wörd");
  assert.notEqual(mine.encrypt("pa$$ wörd"), sealed, "the same text is never encrypted to the same bytes");
  assert.throws(() => other.decrypt(sealed));
});

test("a changed byte is noticed", () => {
  const cipher = makeCipher(randomBytes(32));
  const bytes = Buffer.from(cipher.encrypt("x").slice(3), "base64url");
  // Its last digit's last bits stand for no byte: another digit there may be the same value.
  for (const index of [0, 12, bytes.length - 1]) {
    const changed = bytes.map((byte, at) => (at === index ? 255 - byte : byte));
    assert.throws(() => cipher.decrypt(`v1:${Buffer.from(changed).toString("base64url")}`), `byte ${index}`);
  }
  assert.throws(() => cipher.decrypt("x"), /not a value encrypted/);
});

test("a value is readable in its own scope alone", () => {
  const cipher = makeCipher(Buffer.alloc(32, 7));
  const sealed = cipher.encrypt("word", "shop/production");
  assert.equal(cipher.decrypt(sealed, "shop/production"), "word");
  assert.throws(() => cipher.decrypt(sealed, "shop/staging"));
  assert.throws(() => cipher.decrypt(sealed));
});

test("a shortened tag is refused", () => {
  const cipher = makeCipher(Buffer.alloc(32, 7));
  const bytes = Buffer.from(cipher.encrypt("").slice(3), "base64url");
  assert.throws(() => cipher.decrypt(`v1:${bytes.subarray(0, 16).toString("base64url")}`));
});
