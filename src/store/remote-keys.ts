import type { Cipher } from "../core/cipher.ts";
import type { Clock } from "../core/clock.ts";
import { Secret } from "../core/secret.ts";
import type { RemoteKeys, WebhookSecret } from "../release/connect.ts";
import type { Database } from "./database.ts";

export interface RemoteKeysSchema {
  remote_keys: { repository: string; credentials: string | null; webhook_secret: string };
}

export function makeRemoteKeys(db: Database, cipher: Cipher, clock: Clock): RemoteKeys {
  const read = (repository: string) =>
    db.selectFrom("remote_keys").selectAll().where("repository", "=", repository).executeTakeFirst();
  return {
    async save(repository, { credentials, webhookSecrets }) {
      const values = {
        credentials: credentials && cipher.encrypt(credentials.reveal()),
        webhook_secret: cipher.encrypt(toText(webhookSecrets)),
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
      const now = clock.now();
      const all = row ? fromText(cipher.decrypt(row.webhook_secret)) : [];
      return all.filter(({ validUntil }) => validUntil === null || validUntil > now);
    },
  };
}

interface Kept {
  readonly secret: string;
  readonly validUntil: string | null;
}

const toText = (secrets: readonly WebhookSecret[]): string =>
  JSON.stringify(
    secrets.map(({ secret, validUntil }): Kept => ({
      secret: secret.reveal(),
      validUntil: validUntil?.toISOString() ?? null,
    })),
  );

/** One that stands alone was kept before there could be several. */
function fromText(text: string): readonly WebhookSecret[] {
  if (!text.startsWith("[")) return [{ secret: new Secret(text), validUntil: null }];
  return (JSON.parse(text) as readonly Kept[]).map(({ secret, validUntil }) => ({
    secret: new Secret(secret),
    validUntil: validUntil === null ? null : new Date(validUntil),
  }));
}
