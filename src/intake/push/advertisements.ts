import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import type { RepositoryName } from "../../core/names.ts";
import { refLayout, settledAfterMs } from "../../git/ref-layout.ts";

/** What Git has advertised to pushers, kept while no ref changes: the first half of a push then takes no process. */
export interface Advertisements {
  /** `protocol`: as the client names it; none does for a push (git, remote-curl.c). Null: Git must be asked. */
  find(name: RepositoryName, protocol: string | null): Response | null;
  /** Asks Git now, on behalf of the next push. */
  ask(name: RepositoryName, answer: () => Promise<Response>): Promise<void>;
}

interface Kept {
  readonly layout: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Headers;
}

const maxBytes = 64 * 1024;
const maxKept = 500;

/** All that an advertisement is made of. */
const shown = { files: ["HEAD", "packed-refs", "config"], folders: ["refs"] };

export function makeAdvertisements({ folder, clock }: { folder: string; clock: Clock }): Advertisements {
  const kept = new Map<RepositoryName, Kept>();
  const layoutOf = (name: RepositoryName) => refLayout(join(folder, `${name}.git`), shown);
  return {
    find(name, protocol) {
      const found = kept.get(name);
      if (!found || protocol !== null || layoutOf(name).text !== found.layout) return null;
      return new Response(found.body, { headers: found.headers });
    },
    async ask(name, answer) {
      if (!layoutOf(name).isSettled) await clock.sleep(settledAfterMs);
      const before = layoutOf(name);
      if (!before.isSettled || kept.get(name)?.layout === before.text) return;
      const { status, headers, body: stream } = await answer();
      const body = new Uint8Array(await new Response(stream).arrayBuffer());
      const isKept = status === 200 && body.length <= maxBytes && layoutOf(name).text === before.text && isWhole(body);
      // The one that was asked for longest ago goes.
      kept.delete(name);
      if (isKept) kept.set(name, { layout: before.text, body, headers });
      const [oldest] = kept.keys();
      if (kept.size > maxKept && oldest !== undefined) kept.delete(oldest);
    },
  };
}

/** Git may have been killed while it spoke. */
function isWhole(body: Uint8Array): boolean {
  const text = Buffer.from(body).toString("latin1");
  return text.includes("\0report-status") && text.endsWith("0000");
}
