/** Where Waybill is reached from outside: `http` and `localhost:8080`, or `https` and `apps.example.org`. */
export interface PublicOrigin {
  readonly scheme: "http" | "https";
  /** Host name, and the port where it is not the scheme's own. Lower case. */
  readonly domain: string;
}

/** Whom a Host header means. */
export type Place =
  /** The server itself: pages, API, git. */
  | { readonly kind: "bare" }
  /** A deployment's host: its first label. */
  | { readonly kind: "workload"; readonly label: string }
  | { readonly kind: "unknown" }
  | { readonly kind: "malformed" };

export const signInPath = "/sign-in";
export const linkPath = "/sign-in/link";
/** On every deployment's host, these paths are Waybill's and never reach the deployment. */
export const reservedPrefix = "/.waybill/";
export const callbackPath = "/.waybill/callback";
export const signOutPath = "/.waybill/sign-out";

export const bareUrl = ({ scheme, domain }: PublicOrigin): string => `${scheme}://${domain}`;
export const workloadUrl = ({ scheme, domain }: PublicOrigin, label: string): string =>
  `${scheme}://${label}.${domain}`;

// RFC 1035, section 2.3.4: 253 characters as text. An IPv6 literal stands in brackets (RFC 3986, section 3.2.2).
const authority = /^(?<name>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])\.?(?::(?<port>\d{1,5}))?$/;
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const loopbackNames = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Reads a Host header. The port is not compared: behind a port mapping the outer one differs, and addresses that
 * Waybill makes are built from its own settings.
 */
export function placeOf(host: string, origin: PublicOrigin): Place {
  const name = hostnameOf(host);
  if (name === null) return { kind: "malformed" };
  const domain = hostnameOf(origin.domain);
  if (name === domain || loopbackNames.has(name)) return { kind: "bare" };
  if (domain === null || !name.endsWith(`.${domain}`)) return { kind: "unknown" };
  const first = name.slice(0, -domain.length - 1);
  return label.test(first) ? { kind: "workload", label: first } : { kind: "unknown" };
}

function hostnameOf(host: string): string | null {
  const { name, port } = authority.exec(host.toLowerCase())?.groups ?? {};
  if (name === undefined || name.includes("..") || Number(port ?? 0) > 65_535) return null;
  return name;
}

/** Where to go after signing in: a deployment's address, or a path on the bare domain. Never anywhere else. */
export type ReturnPlace =
  | { readonly kind: "bare"; readonly path: string }
  | { readonly kind: "workload"; readonly label: string; readonly path: string };

/** Reads a `return=` value that anybody may have written; what is not one of our own addresses becomes `/`. */
export function returnPlaceOf(value: string | null | undefined, origin: PublicOrigin): ReturnPlace {
  const home: ReturnPlace = { kind: "bare", path: "/" };
  if (!value || value.length > 4096 || !URL.canParse(value, bareUrl(origin))) return home;
  const url = new URL(value, bareUrl(origin));
  if (url.protocol !== `${origin.scheme}:` || url.username !== "" || url.password !== "") return home;
  const path = url.pathname + url.search;
  // A path that begins with two slashes would be read as another host when it stands alone in a Location header.
  if (path.startsWith("//")) return home;
  if (url.host === new URL(bareUrl(origin)).host) return { kind: "bare", path };
  const place = placeOf(url.host, origin);
  if (place.kind !== "workload" || url.host !== new URL(workloadUrl(origin, place.label)).host) return home;
  return path.startsWith(reservedPrefix)
    ? { kind: "workload", label: place.label, path: "/" }
    : { kind: "workload", label: place.label, path };
}
