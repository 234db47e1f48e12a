import { beginSignInPath } from "../../authorization.ts";

/** An address of a deployment. */
export interface ProbedDoor {
  /** Its host's first label. */
  readonly host: string;
  readonly url: string;
  /** Nobody may see this without having signed in, unless the address is for everybody. */
  readonly path: string;
  /** It is for everybody: who asks there says that they want to be refused. */
  readonly isPublic: boolean;
  /** Where Waybill has people sign in. */
  readonly signIn: string;
  /**
   * Who decides about requests: a controller that asks Waybill; Waybill, to which a controller leads them; or the
   * gateway, which takes them itself.
   */
  readonly by: "controller" | "controller-to-waybill" | "gateway";
}

/** What came back for a request of nobody's. */
export interface Reply {
  readonly status: number;
  readonly location: string | null;
  /** The header by which Waybill says that it was asked. */
  readonly refusal: string | null;
}

/** `elsewhere`: whoever answered does not lead there yet, or never will. */
export type Finding = "refused" | "open" | "elsewhere";

export const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const absent = new Set([404, 421]);

/**
 * Reads an answer. A refusal counts only if it is known to come by the door itself: the gateway refuses as well, where
 * a wildcard leads hosts to it that the entrance does not know yet.
 */
export function findingOf({ host, url, path, signIn, by }: ProbedDoor, { status, location, refusal }: Reply): Finding {
  const isRefusal = status === 401 || status === 403 || redirects.has(status);
  if (isRefusal && refusal === host) return "refused";
  const to = location !== null && URL.canParse(location, url) ? new URL(location, url) : null;
  if (redirects.has(status) && to !== null) {
    const isOwnHost = to.hostname === new URL(url).hostname;
    if (isOwnHost && to.pathname === beginSignInPath) return by === "controller" ? "refused" : "elsewhere";
    if (to.origin + to.pathname === signIn) return by === "controller" ? "elsewhere" : "refused";
    const isOntoTls = isOwnHost && to.protocol === "https:" && to.pathname === path;
    return isOntoTls ? "elsewhere" : "open";
  }
  // A browser is never answered so by the gateway: somebody before it asks for a password of its own.
  if (status === 401 || status === 403) return by === "controller-to-waybill" ? "refused" : "elsewhere";
  return absent.has(status) || status >= 500 ? "elsewhere" : "open";
}
