import { errorTable, type ErrorCode } from "../../core/errors.ts";

/** An answer that the gateway gives by itself. */
export interface Notice {
  readonly status: number;
  readonly code: ErrorCode;
  readonly title: string;
  /** One or two sentences: what happened, and what to do. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sent with every answer of our own: nothing of it may be kept, framed or run. */
const ownHeaders = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

export function noticeOf(
  code: ErrorCode,
  { title, detail, headers }: Pick<Notice, "title" | "detail" | "headers">,
): Notice {
  const row = errorTable[code];
  return { status: "status" in row ? row.status : 500, code, title, detail, ...(headers && { headers }) };
}

/** A page for a person's browser, problem details (RFC 9457) for everybody else. */
export function renderNotice(
  notice: Notice,
  { isNavigation, requestId }: { isNavigation: boolean; requestId: string },
): { readonly status: number; readonly headers: Record<string, string>; readonly body: string } {
  const { status, code, title, detail } = notice;
  const body = isNavigation
    ? htmlOf(notice, requestId)
    : JSON.stringify({ type: "about:blank", title, status, detail, code, requestId });
  return {
    status,
    headers: {
      ...ownHeaders,
      ...notice.headers,
      "Content-Type": isNavigation ? "text/html; charset=utf-8" : "application/problem+json",
      "Content-Length": String(Buffer.byteLength(body)),
      "X-Request-Id": requestId,
    },
    body,
  };
}

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => escapes[character] ?? "");

function htmlOf({ status, title, detail }: Notice, requestId: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --paper: #f6f7f9; --card: #fff; --line: #d8dee4 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --paper: #0d1117; --card: #151b23; --line: #30363d } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 32rem; margin: 1rem; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem }
h1 { margin: 0 0 .5rem; font-size: 1.375rem; line-height: 1.25 }
p { margin: 0; overflow-wrap: anywhere }
small { display: block; margin-top: 1.5rem; color: var(--soft); font-variant-numeric: tabular-nums }
</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(detail)}</p>
<small>${status} · request ${escapeHtml(requestId)}</small>
</main>
</body>
</html>
`;
}
