import type { Cipher } from "../core/cipher.ts";
import type { Clock } from "../core/clock.ts";
import { WaybillError } from "../core/errors.ts";
import type { Identity } from "../core/identity.ts";
import { isSecretName } from "../core/names.ts";
import { Secret } from "../core/secret.ts";
import { isKeepable } from "../core/text.ts";
import type { SecretReader } from "./workload.ts";

export interface SecretScope {
  readonly repository: string;
  /** Null: for every environment of the repository that has none of its own. */
  readonly environment: string | null;
}

/** One value that a secret has or had. Versions count up per repository and name, over all environments. */
export interface StoredSecret extends SecretScope {
  readonly name: string;
  readonly version: number;
  /** Encrypted; null once the value is erased. */
  readonly sealed: string | null;
  readonly setBy: string;
  readonly setAt: Date;
}

export interface SecretStore {
  /** The newest version of each name and scope, without removed ones, in the order of names. */
  current(repository: string): Promise<readonly StoredSecret[]>;
  find(repository: string, name: string, version: number): Promise<StoredSecret | null>;
  /** Adds the next version of the name, and erases all of this scope but the newest `keptVersions`. */
  add(secret: Omit<StoredSecret, "version">, keptVersions: number): Promise<StoredSecret>;
  /** Erases every value of the scope; answers whether there was one. Its versions are never used again. */
  remove(scope: SecretScope, name: string): Promise<boolean>;
}

export interface SecretSummary extends SecretScope {
  readonly name: string;
  readonly version: number;
  readonly updatedAt: string;
  readonly updatedBy: string;
}

interface NamedSecret extends SecretScope {
  readonly name: string;
  readonly actor: Identity;
}

/** Values that deployments use and files must not hold: encrypted at rest, listed without their values. */
export interface Secrets extends SecretReader {
  /** The same value again is no new version. */
  set(request: NamedSecret & { readonly value: Secret }): Promise<SecretSummary>;
  list(repository: string): Promise<readonly SecretSummary[]>;
  /** The current version of each name as an environment sees it: its own value wins over the repository's. */
  versions(scope: { repository: string; environment: string }): Promise<ReadonlyMap<string, number>>;
  remove(request: NamedSecret): Promise<void>;
}

// What still runs with an older version must be able to start again.
const keptVersions = 5;
const maxShownLength = 100;

export interface SecretsDependencies {
  readonly store: SecretStore;
  readonly cipher: Cipher;
  readonly clock: Clock;
}

export function makeSecrets({ store, cipher, clock }: SecretsDependencies): Secrets {
  return {
    async set({ repository, environment, name, value, actor }) {
      requireName(name);
      requireText(name, value);
      const rows = await store.current(repository);
      const current = rows.find((row) => row.name === name && row.environment === environment);
      if (current && readIfOurs(cipher, current) === value.reveal()) return summaryOf(current);
      const scope = { repository, environment, name };
      const sealed = cipher.encrypt(value.reveal(), scopeOf(scope));
      return summaryOf(await store.add({ ...scope, sealed, setBy: actor.name, setAt: clock.now() }, keptVersions));
    },
    async list(repository) {
      return (await store.current(repository)).map(summaryOf);
    },
    async versions({ repository, environment }) {
      const rows = await store.current(repository);
      const shared = rows.filter((row) => row.environment === null);
      const own = rows.filter((row) => row.environment === environment);
      return new Map([...shared, ...own].map(({ name, version }) => [name, version]));
    },
    async remove({ repository, environment, name }) {
      if (isSecretName(name) && (await store.remove({ repository, environment }, name))) return;
      const where = environment === null ? repository : `${repository}/${environment}`;
      throw new WaybillError("NOT_FOUND", `${where} has no secret ${JSON.stringify(name.slice(0, maxShownLength))}`);
    },
    async reveal({ repository, environment }, name, version) {
      const row = await store.find(repository, name, version);
      const isInScope = row !== null && (row.environment === null || row.environment === environment);
      if (!isInScope || row.sealed === null) {
        throw new WaybillError(
          "SECRET_MISSING",
          `secret ${name} does not exist in version ${version}: waybill secret set ${name}`,
        );
      }
      return new Secret(open(cipher, row));
    },
  };
}

function requireName(name: string): void {
  if (isSecretName(name)) return;
  throw new WaybillError(
    "REQUEST_INVALID",
    `${JSON.stringify(name.slice(0, maxShownLength))} cannot name a secret; wanted are 1 to 100 of a-z, 0-9, ".", "_" and "-", with a letter or a digit at either end`,
  );
}

/** What an environment variable cannot carry, or would arrive as something else. */
function requireText(name: string, value: Secret): void {
  const text = value.reveal();
  if (isKeepable(text)) return;
  const found = text.includes("\0") ? "a NUL byte" : "half a surrogate pair";
  throw new WaybillError(
    "REQUEST_INVALID",
    `the value of secret ${name} holds ${found}; wanted is text: for bytes, set their base64 and have the program decode it`,
  );
}

const summaryOf = ({ repository, environment, name, version, setAt, setBy }: StoredSecret): SecretSummary => ({
  repository,
  environment,
  name,
  version,
  updatedAt: setAt.toISOString(),
  updatedBy: setBy,
});

/** Whom a value is for is bound in: a row copied to another name or repository is not opened. */
const scopeOf = ({ repository, environment, name }: SecretScope & { readonly name: string }): string =>
  JSON.stringify(["secret", repository, environment, name]);

function open(cipher: Cipher, row: StoredSecret): string {
  const text = readIfOurs(cipher, row);
  if (text !== null) return text;
  throw new WaybillError(
    "SECRET_MISSING",
    `secret ${row.name} of ${row.repository} was encrypted with another key: restore the key, or set the secret again`,
  );
}

function readIfOurs(cipher: Cipher, row: StoredSecret): string | null {
  if (row.sealed === null) return null;
  try {
    return cipher.decrypt(row.sealed, scopeOf(row));
  } catch {
    return null;
  }
}
