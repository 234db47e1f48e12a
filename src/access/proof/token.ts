import { createHash, randomBytes } from "node:crypto";
import { Secret } from "../../core/secret.ts";

/** Tokens of Waybill are known by this, so that an application's own `Authorization` header is left alone. */
export const tokenPrefix = "wb_";
const secretBytes = 32;
const checksumLength = 6;
const shape = /^wb_[A-Za-z0-9_-]{43}[A-Za-z0-9_-]{6}$/;

export interface Minted {
  /** What the client holds; shown once. */
  readonly secret: Secret;
  /** What is stored. */
  readonly hash: string;
}

/** The SHA-256 of a credential, in hex: looked up instead of compared, so that no comparison takes telling time. */
export const hashOf = (credential: string): string => createHash("sha256").update(credential, "utf8").digest("hex");

/** A random value for a cookie, a link or a code: 43 characters of base64url. */
export function mintSecret(): Minted {
  const value = randomBytes(secretBytes).toString("base64url");
  return { secret: new Secret(value), hash: hashOf(value) };
}

/** A token for programs: `wb_`, 32 random bytes, and a checksum that tells a mistyped one without asking anybody. */
export function mintToken(): Minted {
  const body = tokenPrefix + randomBytes(secretBytes).toString("base64url");
  const value = body + checksumOf(body);
  return { secret: new Secret(value), hash: hashOf(value) };
}

export const isToken = (text: string): boolean =>
  shape.test(text) && text.slice(-checksumLength) === checksumOf(text.slice(0, -checksumLength));

function checksumOf(body: string): string {
  return createHash("sha256").update(body, "utf8").digest("base64url").slice(0, checksumLength);
}
