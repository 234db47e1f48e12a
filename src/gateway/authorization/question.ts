import type { IncomingMessage } from "node:http";
import { authorizePrefix, type Dialect } from "../../targets/authorization.ts";
import { targetOf, type Target } from "../target.ts";
import { pairsOf } from "../upstream/headers.ts";

/** The request that another entrance holds and asks about. */
export interface AskedAbout {
  readonly dialect: Dialect;
  /** For which host the entrance is set up to ask. */
  readonly label: string;
  readonly method: string;
  readonly target: Target;
}

type Asking = Pick<IncomingMessage, "url" | "method" | "headers" | "rawHeaders">;

export const isAsking = ({ url = "" }: Pick<IncomingMessage, "url">): boolean => url.startsWith(authorizePrefix);

const shape = new RegExp(`^${authorizePrefix.replaceAll(".", "\\.")}(nginx|traefik|envoy)/([a-z0-9-]{1,63})(/.*)?$`);
const methodShape = /^[A-Za-z]{1,30}$/;
const originalUrl = /^https?:\/\/([^/?#@\s]+)(\/\S*)$/;

/** What is asked about; null where that can be read in more than one way, or in none. */
export function askedAbout(request: Asking): AskedAbout | null {
  const asking = targetOf(request);
  const [, dialect, label, rest = "/"] = shape.exec(asking?.url ?? "") ?? [];
  if (asking === null || dialect === undefined || label === undefined) return null;
  const said = readings[dialect as Dialect](request, { host: asking.host, url: rest });
  if (said === null || !methodShape.test(said.method) || !said.url.startsWith("/")) return null;
  const { method, host, url } = said;
  const target = { host, url, path: url.split("?", 1)[0] ?? "/" };
  return { dialect: dialect as Dialect, label, method: method.toUpperCase(), target };
}

interface Said {
  readonly method: string;
  readonly host: string;
  readonly url: string;
}

/** Only what the one kind of entrance sets itself is believed: it hands on everything else as the visitor wrote it. */
const readings: Readonly<Record<Dialect, (request: Asking, asking: Omit<Said, "method">) => Said | null>> = {
  // https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#external-authentication
  nginx(request) {
    const method = only(request, "x-original-method");
    const [, host, url] = originalUrl.exec(only(request, "x-original-url") ?? "") ?? [];
    return method === null || host === undefined || url === undefined ? null : { method, host, url };
  },
  // https://doc.traefik.io/traefik/middlewares/http/forwardauth/
  traefik(request) {
    const method = only(request, "x-forwarded-method");
    const host = only(request, "x-forwarded-host");
    const url = only(request, "x-forwarded-uri");
    return method === null || host === null || url === null ? null : { method, host, url };
  },
  // https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_authz_filter: the request's own
  // method and host, its path after ours.
  envoy: ({ method = "" }, asking) => ({ method, ...asking }),
};

/** The one value of a header that must be there once. */
function only({ rawHeaders }: Asking, name: string): string | null {
  const values = [...pairsOf(rawHeaders)].flatMap(([each, value]) => (each.toLowerCase() === name ? [value] : []));
  return values.length === 1 ? (values[0] ?? null) : null;
}
