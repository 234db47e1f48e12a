import { createHmac } from "node:crypto";
import { WaybillError } from "../../core/errors.ts";
import { areEqualBytes, Secret } from "../../core/secret.ts";

/** What a sender says of an event beside its body: Standard Webhooks 1.0.0, "Webhook Headers". */
export interface EventHeaders {
  /** The same when it is sent again. */
  readonly id: string;
  /** Seconds since 1970, as sent. */
  readonly timestamp: string;
  /** One or more of `v1,BASE64`, with spaces between. */
  readonly signature: string;
}

// Standard Webhooks leaves it to the receiver; its libraries all take five minutes, either way.
const toleranceSeconds = 300;
const maxSignatures = 10;

/** Throws REQUEST_INVALID for headers that are not there, and WEBHOOK_STALE for a time that is not now. */
export function readEventHeaders({ headers }: Request, now: Date): EventHeaders {
  const [id, timestamp, signature] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(
    (name) => headers.get(name) ?? "",
  );
  if (id === undefined || !/^[\w.:-]{1,100}$/.test(id)) {
    throw invalid("webhook-id must be an id of up to 100 letters, digits and . : - _");
  }
  if (timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) {
    throw invalid("webhook-timestamp must be a number of seconds since 1970");
  }
  const awaySeconds = Math.abs(now.getTime() / 1_000 - Number(timestamp));
  if (awaySeconds > toleranceSeconds) {
    throw new WaybillError(
      "WEBHOOK_STALE",
      `webhook-timestamp is ${Math.round(awaySeconds)} s away from this server's clock, and at most ` +
        `${toleranceSeconds} are taken: sign it anew each time that it is sent`,
    );
  }
  return { id, timestamp, signature: signature ?? "" };
}

const invalid = (message: string): WaybillError => new WaybillError("REQUEST_INVALID", message);

/** Whether one of the signatures was made with one of the keys: two are valid while one takes the other's place. */
export function isSigned(headers: EventHeaders, body: Uint8Array, keys: readonly Secret[]): boolean {
  const given = headers.signature.split(" ").slice(0, maxSignatures);
  const wanted = keys.map((key) => Buffer.from(`v1,${signatureOf(headers, body, key)}`));
  return given.some((text) => wanted.some((one) => areEqualBytes(Buffer.from(text), one)));
}

/** HMAC-SHA-256 of `ID.TIMESTAMP.BODY`, in base64. */
export function signatureOf(
  { id, timestamp }: Pick<EventHeaders, "id" | "timestamp">,
  body: Uint8Array,
  key: Secret,
): string {
  const bytes = Buffer.from(key.reveal().slice(keyPrefix.length), "base64");
  return createHmac("sha256", bytes).update(`${id}.${timestamp}.`).update(body).digest("base64");
}

const keyPrefix = "whsec_";

/** `whsec_` and the key's bytes in base64: as senders' libraries take it. */
export const eventKey = (bytes: Uint8Array): Secret => new Secret(keyPrefix + Buffer.from(bytes).toString("base64"));
