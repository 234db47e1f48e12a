/**
 * Whether a path needs no identity under a route's `public` patterns: exact, or a prefix that ends in `*`.
 *
 * The gateway and the application may read one path differently, so only a path with a single reading is ever public:
 * no dot segments, empty segments, path parameters, backslashes, and nothing percent-encoded that could become one of
 * these or a separator. Everything else is not refused, but asks for sign-in.
 */
export function isPublicPath(path: string, patterns: readonly string[]): boolean {
  return patterns.length > 0 && hasOneReading(path) && patterns.some((pattern) => matches(path, pattern));
}

function matches(path: string, pattern: string): boolean {
  if (!pattern.startsWith("/")) return false;
  return pattern.endsWith("*") ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}

// RFC 3986, section 3.3: pchar without ";", and "/" between segments.
const plain = /^(?:\/|[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})+$/;
// Encoded: controls, space's neighbours that servers decode twice or treat as separators, and anything beyond ASCII,
// which some normalise to a dot or a slash.
const harmlessEncoded = /^[ !"$&'()*+,:<=>@[\]^`{|}~\w-]$/;

function hasOneReading(path: string): boolean {
  if (!path.startsWith("/") || path.includes("//") || !plain.test(path)) return false;
  if (path.split("/").some((segment) => segment === "." || segment === "..")) return false;
  return [...path.matchAll(/%([0-9A-Fa-f]{2})/g)].every(([, hex]) =>
    harmlessEncoded.test(String.fromCharCode(Number.parseInt(hex ?? "0", 16))),
  );
}
