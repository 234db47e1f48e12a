import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { testDatabase } from "../../test/support/postgres.ts";
import { makeCipher } from "../core/cipher.ts";
import { systemClock } from "../core/clock.ts";
import { Secret } from "../core/secret.ts";
import { makeReleaseStore } from "./release/release-store.ts";
import { makeRemoteKeys } from "./remote-keys.ts";

test("a former webhook secret is valid for its time; one kept alone is read, too", async () => {
  const database = await testDatabase();
  try {
    const shop = { name: "shop", url: null, defaultBranch: "main", problem: null };
    await makeReleaseStore(database.db).saveRepository(shop);
    const cipher = makeCipher(randomBytes(32));
    const clock = { ...systemClock, now: () => new Date("2026-05-01T12:00:00Z") };
    const keys = makeRemoteKeys(database.db, cipher, clock);
    const valid = async () => (await keys.webhookSecrets("shop")).map(({ secret }) => secret.reveal());
    assert.deepEqual(await valid(), []);
    const former = (at: string) => ({ secret: new Secret(at), validUntil: new Date(`2026-05-01T${at}Z`) });
    const webhookSecrets = [{ secret: new Secret("new"), validUntil: null }, former("12:00:01"), former("12:00:00")];
    await keys.save("shop", { credentials: null, webhookSecrets });
    assert.deepEqual(await valid(), ["new", "12:00:01"]);
    await database.db
      .updateTable("remote_keys")
      .set({ webhook_secret: cipher.encrypt("alone") })
      .execute();
    assert.deepEqual(await valid(), ["alone"]);
  } finally {
    await database.close();
  }
});
