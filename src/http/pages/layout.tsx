import type { Child } from "hono/jsx";
import type { JSX } from "hono/jsx/jsx-runtime";
import type { Identity } from "../../core/identity.ts";
import { assetPath } from "../assets/assets.ts";
import { belongsTo } from "../route.ts";

interface LayoutProps {
  readonly title: string;
  readonly visitor: Identity | null;
  /** Pages that change by themselves listen for changes. */
  readonly isLive?: boolean;
  readonly children?: Child;
}

export function Layout({ title, visitor, isLive = false, children }: LayoutProps): JSX.Element {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{title} · Waybill</title>
        <link rel="icon" href={assetPath("mark.svg")} type="image/svg+xml" />
        <link rel="stylesheet" href={assetPath("page.css")} />
        {isLive && <script type="module" src={assetPath("page.js")}></script>}
      </head>
      <body data-live-page={isLive ? "yes" : undefined}>
        <a class="skip" href="#main">
          Skip to content
        </a>
        <Masthead visitor={visitor} />
        <main id="main" tabindex={-1}>
          {children}
        </main>
        <p id="announcements" class="unseen" role="status" aria-live="polite"></p>
      </body>
    </html>
  );
}

function Masthead({ visitor }: { visitor: Identity | null }): JSX.Element {
  return (
    <header class="masthead">
      <a class="brand" href="/">
        <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
          <use href={`${assetPath("mark.svg")}#mark`} />
        </svg>
        Waybill
      </a>
      {visitor && belongsTo(visitor, "member") && (
        <nav aria-label="Main">
          <a id="to-runs" href="/runs">
            Runs
          </a>
        </nav>
      )}
      {visitor && (
        <div class="who">
          <a href="/account">
            <span class="unseen">Your account: </span>
            {visitor.name}
            <span class="role">{visitor.role}</span>
          </a>
          <form method="post" action="/sign-out">
            <button class="quiet" type="submit">
              Sign out
            </button>
          </form>
        </div>
      )}
    </header>
  );
}

/** A whole page as an answer. */
export async function page(element: JSX.Element, status = 200): Promise<Response> {
  const html = (await element).toString();
  return new Response(`<!doctype html>\n${html}`, { status, headers: { "content-type": "text/html; charset=utf-8" } });
}
