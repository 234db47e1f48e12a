import { makeSlots } from "../../core/waiting/slots.ts";
import { randomBytes, scrypt, type ScryptOptions } from "node:crypto";
import { areEqualBytes, type Secret } from "../../core/secret.ts";

// OWASP's Password Storage Cheat Sheet: scrypt with N=2^15, r=8, p=3 is among its equivalent settings; 32 MiB each.
const cost = { N: 2 ** 15, r: 8, p: 3 } as const;
const maxMemoryBytes = 64 * 1024 * 1024;
const keyBytes = 32;
const saltBytes = 16;
// Each derivation holds 32 MiB and a thread for a tenth of a second: more at once would let strangers fill both.
const maxAtOnce = 2;
const maxWaiting = 50;

export interface Passwords {
  hash(password: Secret): Promise<string>;
  /** False for a wrong password and, after just as long, where there is none to compare with. */
  verify(password: Secret, stored: string | null): Promise<boolean>;
}

/** Password hashes of the form `scrypt$N$r$p$salt$key`. `overloaded` is what is thrown when too many wait. */
export function makePasswords(overloaded: () => Error): Passwords {
  const slots = makeSlots({ running: maxAtOnce, waiting: { most: maxWaiting, refusal: overloaded } });
  return {
    async hash(password) {
      const salt = randomBytes(saltBytes);
      const key = await slots.run(() => derive(password, salt, cost));
      return ["scrypt", cost.N, cost.r, cost.p, salt.toString("base64url"), key.toString("base64url")].join("$");
    },
    async verify(password, stored) {
      const { salt, key, ...options } = parse(stored) ?? { ...cost, salt: Buffer.alloc(saltBytes), key: null };
      const derived = await slots.run(() => derive(password, salt, options));
      return key !== null && areEqualBytes(key, derived);
    },
  };
}

function parse(stored: string | null) {
  const [scheme, N, r, p, salt, key] = (stored ?? "").split("$");
  if (scheme !== "scrypt" || salt === undefined || key === undefined) return null;
  return {
    N: Number(N),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, "base64url"),
    key: Buffer.from(key, "base64url"),
  };
}

function derive(password: Secret, salt: Buffer, options: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // NFKC: the same password typed on another keyboard may arrive composed differently (RFC 8265, section 4.2).
    scrypt(
      password.reveal().normalize("NFKC"),
      salt,
      keyBytes,
      { ...options, maxmem: maxMemoryBytes },
      (error, key) => {
        if (error) reject(error);
        else resolve(key);
      },
    );
  });
}
