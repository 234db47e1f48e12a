import type { Cipher } from "../core/cipher.ts";
import { Secret } from "../core/secret.ts";
import type { RemoteKeys } from "../release/connect.ts";
import type { Database } from "./database.ts";

export interface RemoteKeysSchema {
  remote_keys: { repository: string; credentials: string | null; webhook_secret: string };
}

export function makeRemoteKeys(db: Database, cipher: Cipher): RemoteKeys {
  const read = (repository: string) =>
    db.selectFrom("remote_keys").selectAll().where("repository", "=", repository).executeTakeFirst();
  return {
    async save(repository, { credentials, webhookSecret }) {
      const values = {
        credentials: credentials && cipher.encrypt(credentials.reveal()),
        webhook_secret: cipher.encrypt(webhookSecret.reveal()),
      };
      await db
        .insertInto("remote_keys")
        .values({ repository, ...values })
        .onConflict((conflict) => conflict.column("repository").doUpdateSet(values))
        .execute();
    },
    async credentials(repository) {
      const row = await read(repository);
      return row?.credentials ? new Secret(cipher.decrypt(row.credentials)) : null;
    },
    async webhookSecrets(repository) {
      const row = await read(repository);
      return row ? [new Secret(cipher.decrypt(row.webhook_secret))] : [];
    },
  };
}
