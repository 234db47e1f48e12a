import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { systemClock } from "../core/clock.ts";
import { testDatabase } from "../../test/support/postgres.ts";
import { makeCipher } from "../core/cipher.ts";
import type { Identity } from "../core/identity.ts";
import { Secret } from "../core/secret.ts";
import { makeSecrets, type Secrets } from "../targets/secrets.ts";
import { makeSecretStore } from "./secrets.ts";

const actor: Identity = { name: "ada", kind: "user", role: "member", groups: [] };
const production = { repository: "shop", environment: "production" };

async function withSecrets(body: (secrets: Secrets, stored: () => Promise<string>) => Promise<void>): Promise<void> {
  const database = await testDatabase();
  const cipher = makeCipher(randomBytes(32));
  const stored = async (): Promise<string> =>
    JSON.stringify(await database.db.selectFrom("secrets").selectAll().execute());
  try {
    await body(makeSecrets({ store: makeSecretStore(database.db), cipher, clock: systemClock }), stored);
  } finally {
    await database.close();
  }
}

const setter =
  (secrets: Secrets) =>
  (name: string, value: string, environment: string | null = null) =>
    secrets.set({ repository: "shop", environment, name, value: new Secret(value), actor });

test("a secret is encrypted, listed without its value, and a new version only when it changes", async () => {
  await withSecrets(async (secrets, stored) => {
    const set = setter(secrets);
    assert.equal((await set("db", "hunter2")).version, 1);
    assert.equal((await set("db", "hunter2")).version, 1);
    assert.equal((await set("db", "hunter3")).version, 2);
    assert.equal((await secrets.reveal(production, "db", 1)).reveal(), "hunter2");
    assert.equal((await secrets.reveal(production, "db", 2)).reveal(), "hunter3");
    assert.doesNotMatch(await stored(), /hunter/);
    const list = await secrets.list("shop");
    const updatedAt = list[0]?.updatedAt ?? "";
    assert.deepEqual(list, [
      { repository: "shop", environment: null, name: "db", version: 2, updatedBy: "ada", updatedAt },
    ]);
  });
});

test("what is no text is refused, and not repeated", async () => {
  await withSecrets(async (secrets) => {
    const refused = (found: string) => ({
      code: "REQUEST_INVALID",
      message: `the value of secret db holds ${found}; wanted is text: for bytes, set their base64 and have the program decode it`,
    });
    await assert.rejects(setter(secrets)("db", "hunter2\0tail"), refused("a NUL byte"));
    await assert.rejects(setter(secrets)("db", "hunter2\uD800"), refused("half a surrogate pair"));
    assert.deepEqual(await secrets.list("shop"), []);
  });
});

test("an environment's own value wins over the repository's, and is hidden from others", async () => {
  await withSecrets(async (secrets) => {
    const set = setter(secrets);
    await set("db", "all");
    await set("db", "prod", "production");
    assert.deepEqual([...(await secrets.versions(production))], [["db", 2]]);
    assert.deepEqual([...(await secrets.versions({ ...production, environment: "staging" }))], [["db", 1]]);
    await assert.rejects(secrets.reveal({ ...production, environment: "staging" }, "db", 2), {
      code: "SECRET_MISSING",
    });
    assert.equal((await set("db", "all too")).version, 3);
    assert.deepEqual([...(await secrets.versions(production))], [["db", 2]], "its own is untouched");
  });
});

test("removing a secret erases every value of it, and its versions are not used again", async () => {
  await withSecrets(async (secrets, stored) => {
    const set = setter(secrets);
    await set("db", "one");
    await set("db", "two");
    await secrets.remove({ repository: "shop", environment: null, name: "db", actor });
    assert.deepEqual(await secrets.list("shop"), []);
    assert.doesNotMatch(await stored(), /v1:/);
    await assert.rejects(secrets.reveal(production, "db", 2), {
      code: "SECRET_MISSING",
      message: "secret db does not exist in version 2: waybill secret set db",
    });
    await assert.rejects(secrets.remove({ repository: "shop", environment: null, name: "db", actor }), {
      code: "NOT_FOUND",
      message: 'shop has no secret "db"',
    });
    assert.equal((await set("db", "two")).version, 3);
  });
});

test("older values are erased, those set at once get different versions, another key opens nothing", async () => {
  const database = await testDatabase();
  try {
    const store = makeSecretStore(database.db);
    const cipher = makeCipher(randomBytes(32));
    const secrets = makeSecrets({ store, cipher, clock: systemClock });
    const set = setter(secrets);
    const versions = await Promise.all(
      Array.from({ length: 7 }, async (_, at) => (await set("db", `value ${at}`)).version),
    );
    assert.deepEqual(
      versions.sort((a, b) => a - b),
      [1, 2, 3, 4, 5, 6, 7],
    );
    await assert.rejects(secrets.reveal(production, "db", 2), { code: "SECRET_MISSING" });
    await secrets.reveal(production, "db", 3);
    const others = makeSecrets({ store, cipher: makeCipher(randomBytes(32)), clock: systemClock });
    await assert.rejects(others.reveal(production, "db", 7), { message: /encrypted with another key/ });
    assert.equal((await setter(others)("db", "new")).version, 8);
    await assert.rejects(set("DB one", "x"), { code: "REQUEST_INVALID", message: /"DB one" cannot name a secret/ });
  } finally {
    await database.close();
  }
});

test("a secret is named as files name it; what cannot be a name is refused, and nothing is removed by it", async () => {
  await withSecrets(async (secrets) => {
    const set = setter(secrets);
    for (const name of ["db", "0", "db.url_2", "a".repeat(100)]) assert.equal((await set(name, "x")).version, 1);
    for (const name of ["", "-db", "db.", "DB", "a/b", "a\0b", "a".repeat(101)]) {
      await assert.rejects(set(name, "x"), { code: "REQUEST_INVALID" });
      const gone = secrets.remove({ repository: "shop", environment: null, name, actor });
      await assert.rejects(gone, { code: "NOT_FOUND" });
    }
  });
});
