import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/** Encrypts small values at rest with one key that lives outside the database. */
export interface Cipher {
  /** Answers `v1:` and base64url of nonce, tag and ciphertext. It can be read with the same `scope` alone. */
  encrypt(plaintext: string, scope?: string): string;
  /** Throws when the text was not made by this key for this scope, or was changed. */
  decrypt(ciphertext: string, scope?: string): string;
}

const prefix = "v1:";
const keyBytes = 32;
// NIST SP 800-38D: 96-bit nonces, 128-bit tags for AES-GCM.
const nonceBytes = 12;
const tagBytes = 16;

/** AES-256-GCM under `key` (32 bytes). */
export function makeCipher(key: Uint8Array): Cipher {
  if (key.length !== keyBytes) throw new TypeError(`the encryption key must be ${keyBytes} bytes, not ${key.length}`);
  return {
    encrypt(plaintext, scope = "") {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(scope));
      const body = Buffer.concat([cipher.update(plaintext, "utf8"), cipher.final()]);
      return prefix + Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64url");
    },
    decrypt(ciphertext, scope = "") {
      if (!ciphertext.startsWith(prefix)) throw new TypeError("not a value encrypted by Waybill");
      const bytes = Buffer.from(ciphertext.slice(prefix.length), "base64url");
      // Without the length a shorter tag, easier to guess, would do as well.
      const options = { authTagLength: tagBytes };
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, nonceBytes), options);
      decipher.setAAD(Buffer.from(scope));
      decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString("utf8");
    },
  };
}
