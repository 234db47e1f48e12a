import type { IncomingMessage } from "node:http";
import { pairsOf } from "./upstream/headers.ts";

/** Whom and what a request means. */
export interface Target {
  readonly host: string;
  /** With the query, as sent. */
  readonly url: string;
  /** Without it. */
  readonly path: string;
}

// Node undoes this transfer coding and no other: a body in another would go on as if it were plain.
const isCodedOtherwise = ({ headers }: Pick<IncomingMessage, "headers">): boolean =>
  headers["transfer-encoding"] !== undefined && headers["transfer-encoding"].trim().toLowerCase() !== "chunked";

// RFC 9112, section 3.2.2: an absolute-form target names the host, whatever the Host header says.
const absolute = /^http:\/\/([^/?#@]*)([/?].*)?$/i;
// Headers of which a second one would be read by us in one way and by the application in another.
const singular = new Set(["host", "authorization", "content-length", "origin"]);

/** Null for a request that has more than one reading, or none. */
export function targetOf(request: Pick<IncomingMessage, "url" | "rawHeaders" | "headers">): Target | null {
  const seen = new Set<string>();
  for (const [name] of pairsOf(request.rawHeaders)) {
    const lower = name.toLowerCase();
    if (seen.has(lower) && singular.has(lower)) return null;
    seen.add(lower);
  }
  if (isCodedOtherwise(request)) return null;
  const raw = request.url ?? "";
  const [, authority, rest = "/"] = absolute.exec(raw) ?? [];
  const host = authority ?? request.headers.host ?? "";
  const url = authority === undefined ? raw : rest.startsWith("/") ? rest : `/${rest}`;
  if (!url.startsWith("/") || host === "") return null;
  return { host, url, path: url.split("?", 1)[0] ?? "/" };
}

/** A person's browser that opens a page, as far as a request tells. */
export function isNavigation({ method, headers }: Pick<IncomingMessage, "method" | "headers">): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  const mode = headers["sec-fetch-mode"];
  if (mode !== undefined && mode !== "navigate") return false;
  return (headers.accept ?? "").includes("text/html");
}
