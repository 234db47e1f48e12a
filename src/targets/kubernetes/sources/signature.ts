import { createHmac, hkdfSync } from "node:crypto";
import { areEqualBytes } from "../../../core/secret.ts";
import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";

/** What one signed address allows: to read or to write the files of one source tree, or to bring what a run has left. */
export interface Grant {
  readonly method: "GET" | "PUT";
  readonly repository: string;
  /** A source's: a Git tree, or a digest of all that goes into what was built from it. A run's: see `runKey`. */
  readonly key: string;
}

/** Makes and checks addresses that end: whoever holds one needs no other identity. */
export interface SourceUrls {
  /** Path and query; it is good until `expiresAt`. */
  sign(grant: Grant, expiresAt: Date): string;
  /** Whether this server has signed the address, be it still good or not. */
  isSigned(grant: Grant, query: URLSearchParams): boolean;
  /** Throws FORBIDDEN unless the request's address was signed for just this, and is still good. */
  verify(grant: Grant, query: URLSearchParams): void;
}

/** How long a pod's address is good. A server that is away for longer serves no sources anyway. */
export const addressLifeMs = 7 * 24 * 60 * 60 * 1_000;

const keyPattern = /^(?:[0-9a-f]{40,64}|run-[a-z0-9-]+-\d+)$/;
const runPattern = /^run-([a-z0-9-]+)-(\d+)$/;

export interface RunStart {
  readonly run: string;
  readonly attempt: number;
}

export const runKey = ({ run, attempt }: RunStart): string => `run-${run}-${attempt}`;

/** Null for a source's key. */
export function runStartOf(key: string): RunStart | null {
  const [, run, attempt] = runPattern.exec(key) ?? [];
  return run === undefined || attempt === undefined ? null : { run, attempt: Number(attempt) };
}

/** `masterKey`: the server's own; a key for this purpose alone is derived from it (RFC 5869). */
export function makeSourceUrls({ masterKey, clock }: { masterKey: Uint8Array; clock: Clock }): SourceUrls {
  const key = Buffer.from(hkdfSync("sha256", masterKey, "", "waybill source addresses", 32));
  const signatureOf = ({ method, repository, key: source }: Grant, expires: string): Buffer =>
    createHmac("sha256", key)
      .update(JSON.stringify([method, repository, source, expires]))
      .digest();
  const isSigned = (grant: Grant, query: URLSearchParams): boolean => {
    const given = Buffer.from(query.get("signature") ?? "", "base64url");
    const wanted = signatureOf(grant, query.get("expires") ?? "");
    return areEqualBytes(given, wanted);
  };
  return {
    isSigned,
    sign(grant, expiresAt) {
      const expires = String(Math.floor(expiresAt.getTime() / 1000));
      const signature = signatureOf(grant, expires).toString("base64url");
      return `/source/${grant.repository}/${grant.key}.tar.gz?expires=${expires}&signature=${signature}`;
    },
    verify(grant, query) {
      if (!isSigned(grant, query) || !keyPattern.test(grant.key)) {
        throw new WaybillError("FORBIDDEN", "this address is not signed by this server: ask for a new one");
      }
      if (Number(query.get("expires")) * 1000 < clock.now().getTime()) {
        throw new WaybillError("FORBIDDEN", "this address is no longer good: restart the deployment for a new one");
      }
    },
  };
}
