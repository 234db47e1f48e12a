import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { WaybillError } from "../../core/errors.ts";
import type { SecretBox } from "../state.ts";

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;
const prefix = "v1:";

/** AES-256-GCM with a 32-byte key; `v1:` and base64 of nonce, tag and ciphertext. The scope is authenticated along. */
export function makeSecretBox(key: Uint8Array): SecretBox {
  if (key.length !== 32) throw new WaybillError("SETTINGS_INVALID", `the key has ${key.length} bytes, wanted 32`);
  return {
    encrypt: (plaintext, scope) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(scope));
      const sealed = Buffer.concat([cipher.update(plaintext, "utf8"), cipher.final()]);
      return prefix + Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64");
    },
    decrypt: (ciphertext, scope) => {
      try {
        if (!ciphertext.startsWith(prefix)) throw new Error("not one of ours");
        const bytes = Buffer.from(ciphertext.slice(prefix.length), "base64");
        const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes })
          .setAAD(Buffer.from(scope))
          .setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
        return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]).toString();
      } catch (cause) {
        throw new WaybillError(
          "STATE_INVALID",
          `a secret in the state of ${scope} cannot be decrypted: it was encrypted with another key or for another stack. Restore the key, or export with secrets shown where the key is known and import that`,
          { cause },
        );
      }
    },
  };
}
