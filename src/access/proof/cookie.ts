import type { PublicOrigin } from "../origin.ts";

/** The cookies of one server, by which it knows its own among all that a browser sends. */
export interface Cookies {
  /** Holds a session, on the bare domain or on one deployment's host. */
  readonly session: string;
  /** Holds the nonce that ties a sign-in to the browser that began it. */
  readonly state: string;
  /** Every value that a Cookie header has for the name: an application may have set another under the same name. */
  read(header: string | null | undefined, name: string): readonly string[];
  set(name: string, value: string, maxAgeSeconds: number): string;
  clear(name: string): string;
  /** The Cookie header without ours; null when nothing is left. */
  without(header: string): string | null;
  /** Whether a Set-Cookie header would set one of ours. */
  isOurs(setCookie: string): boolean;
}

/**
 * Host-only cookies. Over https the `__Host-` prefix keeps other hosts of the domain from setting them
 * (RFC 6265bis, section 4.1.3.2); over http the port tells two servers of one machine apart, for cookies know no port.
 */
export function makeCookies({ scheme, domain }: PublicOrigin): Cookies {
  const suffix = scheme === "https" ? "" : `_${/:(\d+)$/.exec(domain)?.[1] ?? "80"}`;
  const prefix = scheme === "https" ? "__Host-" : "";
  const session = `${prefix}waybill_session${suffix}`;
  const state = `${prefix}waybill_state${suffix}`;
  const attributes = `Path=/; HttpOnly; SameSite=Lax${scheme === "https" ? "; Secure" : ""}`;
  return {
    session,
    state,
    read: (header, name) =>
      pairsOf(header ?? "")
        .filter((pair) => nameOf(pair) === name)
        .map((pair) => pair.slice(pair.indexOf("=") + 1).trim()),
    set: (name, value, maxAgeSeconds) => `${name}=${value}; Max-Age=${maxAgeSeconds}; ${attributes}`,
    clear: (name) => `${name}=; Max-Age=0; ${attributes}`,
    without(header) {
      const rest = pairsOf(header).filter((pair) => ![session, state].includes(nameOf(pair)));
      return rest.length === 0 ? null : rest.join("; ");
    },
    isOurs: (setCookie) => [session, state].includes(nameOf(setCookie.split(";", 1)[0] ?? "")),
  };
}

const pairsOf = (header: string): readonly string[] =>
  header
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "");

const nameOf = (pair: string): string => (pair.split("=", 1)[0] ?? "").trim();
