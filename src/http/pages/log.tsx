import type { JSX } from "hono/jsx/jsx-runtime";
import type { Log } from "../../core/log.ts";
import type { LogRequest } from "../../targets/target.ts";
import type { LogLine } from "../../targets/workload.ts";

const shownLines = 200;
// The page comes without the log when the target is slow to tell.
const timeoutMs = 1_000;

/** The end of a log as it is now; what could be read of it where its reading fails. */
export async function lastLines(
  log: Log,
  read: (request: LogRequest) => AsyncIterable<LogLine>,
): Promise<readonly LogLine[]> {
  const lines: LogLine[] = [];
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    for await (const line of read({ lines: shownLines, follow: false, signal })) lines.push(line);
  } catch (error) {
    // The rest of the page is worth having without it.
    log.warn({ error }, "a log could not be read for a page");
  }
  return lines;
}

interface LogProps {
  /** The API's route of this log. */
  readonly source: string;
  /** More may be said. */
  readonly isFollowed: boolean;
  /** The last of it, as far as it is known when the page is made. */
  readonly lines: readonly LogLine[];
}

export function LogSection({ source, isFollowed, lines }: LogProps): JSX.Element {
  return (
    <section aria-labelledby="log-title">
      <h2 id="log-title">
        Log <span id="log-status" class="of"></span>
      </h2>
      <div
        id="log"
        class="log"
        role="log"
        aria-live="off"
        tabindex={0}
        aria-labelledby="log-title"
        data-source={isFollowed ? `${source}?format=events&follow=true&lines=${shownLines}` : undefined}
      >
        {lines.length === 0 ? (
          <p class="nothing">Nothing was said{isFollowed ? " yet" : ""}.</p>
        ) : (
          lines.map(({ at, stream, text }) => (
            <p class={stream}>
              <time datetime={at}>{at.slice(11, 19)}</time> {text}
            </p>
          ))
        )}
      </div>
      <p class="hint">
        <a href={`${source}?lines=10000`}>The last 10,000 lines as text</a>
      </p>
    </section>
  );
}
