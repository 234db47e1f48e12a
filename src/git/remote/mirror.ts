import type { Log } from "../../core/log.ts";
import { WaybillError } from "../../core/errors.ts";
import { setHead } from "../bare-repository.ts";
import { requireGit } from "../command.ts";
import { readHead } from "../refs.ts";
import { fetchRefs, listRemote, pushRefs } from "./transport.ts";
import type { Remote } from "./address.ts";

/** A copy of a repository hosted elsewhere. What the remote had when last seen is kept under `refs/waybill/remote/`. */
export interface Mirror {
  /** Without credentials. */
  readonly url: string;
  /** Whether the remote has other refs than when last fetched. Reads only. */
  hasChanged(signal: AbortSignal): Promise<boolean>;
  fetch(signal: AbortSignal): Promise<FetchResult>;
  /** Snapshot tags made here that the remote did not have when last seen. Asks nobody. */
  unpushedTags(): Promise<readonly string[]>;
  pushTags(tags: readonly string[], signal: AbortSignal): Promise<void>;
}

export interface FetchResult {
  /** Snapshot tags that the remote moved to another object: not followed. */
  readonly movedTags: readonly string[];
}

type Refs = ReadonlyMap<string, string>;

const seenPrefix = "refs/waybill/remote/";
/** `refs/heads/x` as the remote had it. */
const seen = (ref: string): string => seenPrefix + ref.slice("refs/".length);
const refspecs = [
  "+refs/heads/*:refs/waybill/remote/heads/*",
  "+refs/tags/waybill/*:refs/waybill/remote/tags/waybill/*",
];
const isTag = (ref: string): boolean => ref.startsWith("refs/tags/");

/** Which refs to delete once the remote lists `listed`; `refs` are all that are here. */
export function deletions(refs: Refs, listed: Refs): string[] {
  return [...refs].flatMap(([ref, id]) => {
    if (!ref.startsWith(seenPrefix)) return [];
    const own = `refs/${ref.slice(seenPrefix.length)}`;
    if (listed.has(own)) return [];
    // A tag that is not as the remote had it was never the remote's to take away.
    const isTheirs = refs.has(own) && (!isTag(own) || refs.get(own) === id);
    return isTheirs ? [ref, own] : [ref];
  });
}

/** Which of our refs to set, after fetching; tags are created, never moved. */
export function updates(refs: Refs): [ref: string, id: string][] {
  return [...refs].flatMap(([ref, id]): [string, string][] => {
    if (!ref.startsWith(seenPrefix)) return [];
    const own = `refs/${ref.slice(seenPrefix.length)}`;
    const current = refs.get(own);
    return current === id || (isTag(own) && current !== undefined) ? [] : [[own, id]];
  });
}

/** Our snapshot tags, by what the remote had under their names when last seen. */
function tagsSeen(refs: Refs, isAs: (own: string, remote: string | undefined) => boolean): readonly string[] {
  return [...refs]
    .filter(([ref, id]) => isTag(ref) && isAs(id, refs.get(seen(ref))))
    .map(([ref]) => ref.slice("refs/tags/".length));
}

const movedTags = (refs: Refs): readonly string[] =>
  tagsSeen(refs, (own, remote) => remote !== undefined && remote !== own);

const unpushedTags = (refs: Refs): readonly string[] => tagsSeen(refs, (_, remote) => remote === undefined);

export interface MirrorOptions {
  readonly path: string;
  readonly url: string;
  readonly remote: () => Promise<Remote>;
  readonly log: Log;
}

export function makeMirror({ path, url, remote, log }: MirrorOptions): Mirror {
  const call = { cwd: path, env: { GIT_DIR: path } };

  async function readRefs(): Promise<Refs> {
    const output = await requireGit(
      `${path}: reading refs`,
      ["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/", "refs/tags/waybill/", seenPrefix],
      call,
    );
    const lines = output.toString("utf8").split("\n").filter(Boolean);
    return new Map(
      lines.map((line): [string, string] => [
        line.slice(0, line.lastIndexOf(" ")),
        line.slice(line.lastIndexOf(" ") + 1),
      ]),
    );
  }

  // Deletions and creations are separate transactions: `a` must be gone before `a/b` can be.
  async function change(commands: readonly string[]): Promise<void> {
    if (commands.length === 0) return;
    await requireGit(`${path}: updating refs`, ["update-ref", "--stdin"], { ...call, input: commands.join("") });
  }

  return {
    url,
    async hasChanged(signal) {
      const [refs, { refs: listed }] = await Promise.all([readRefs(), listRemote(await remote(), path, signal)]);
      const known = [...refs].filter(([ref]) => ref.startsWith(seenPrefix));
      return known.length !== listed.size || [...listed].some(([ref, id]) => refs.get(seen(ref)) !== id);
    },

    async fetch(signal) {
      const from = await remote();
      const { head, refs: listed } = await listRemote(from, path, signal);
      const before = await readRefs();
      if (listed.size === 0 && before.size > 0) {
        throw new WaybillError(
          "REMOTE_EMPTY",
          `${from.url} lists no branch and no tag, but did before. Nothing is changed here.`,
        );
      }
      await change(deletions(before, listed).map((ref) => `delete ${ref}\n`));
      const isCurrent = [...listed].every(([ref, id]) => before.get(seen(ref)) === id);
      if (!isCurrent) await fetchRefs(from, refspecs, { cwd: path, signal });
      await change(updates(await readRefs()).map(([ref, id]) => `update ${ref} ${id}\n`));
      if (head !== null && head !== (await readHead(path))) await setHead(path, head);
      const moved = movedTags(await readRefs());
      if (moved.length > 0) log.warn({ path, tags: moved }, "the remote moved snapshot tags");
      return { movedTags: moved };
    },

    unpushedTags: async () => unpushedTags(await readRefs()),

    async pushTags(tags, signal) {
      if (tags.length === 0) return;
      const refs = tags.map((tag) => `refs/tags/${tag}`);
      await pushRefs(await remote(), refs, { cwd: path, signal });
      const here = await readRefs();
      // What we pushed is what the remote now has: the next look must not take it for news.
      await change(refs.map((ref) => `update ${seen(ref)} ${here.get(ref)}\n`));
    },
  };
}
