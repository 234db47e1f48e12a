const safeMethods = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** The parts of a request that say which page sent it. */
export interface Sender {
  readonly method: string;
  /** A WebSocket changes state by what is said over it, though it opens with GET. */
  readonly isUpgrade?: boolean;
  readonly host: string;
  readonly origin?: string | null | undefined;
  readonly secFetchSite?: string | null | undefined;
}

/**
 * Whether a cookie must not speak for this request, because another site's page may have sent it.
 *
 * Browsers say who sent a request by Sec-Fetch-Site (Fetch Metadata) and, in older ones, by Origin on all that
 * changes state. A sibling host counts as another site: deployments of one server do not trust each other.
 * What sends neither header is no browser, and has no cookie that it did not mean to send.
 */
export function isForged({ method, isUpgrade = false, host, origin, secFetchSite }: Sender): boolean {
  if (safeMethods.has(method.toUpperCase()) && !isUpgrade) return false;
  if (secFetchSite) return secFetchSite !== "same-origin" && secFetchSite !== "none";
  if (!origin) return false;
  return !URL.canParse(origin) || new URL(origin).host !== hostWithoutDefaultPort(origin, host);
}

function hostWithoutDefaultPort(origin: string, host: string): string | null {
  const url = `${new URL(origin).protocol}//${host}`;
  return URL.canParse(url) ? new URL(url).host : null;
}
