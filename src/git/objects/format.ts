import { commitSha, treeSha, type CommitSha, type TreeSha } from "../../core/names.ts";

/** One row of a tree object. `mode` is Git's own: one of the values of `modes`. */
export interface TreeEntry {
  readonly mode: string;
  readonly name: string;
  readonly id: string;
}

export const modes = { folder: "40000", file: "100644", executable: "100755", symlink: "120000", submodule: "160000" };

/** 100664 is an ancient mode of plain files that Git still reads. */
export const isPlainFile = (mode: string): boolean => mode.startsWith("100");

/** Reads a tree object (gitformat: `MODE SP NAME NUL ID`). Names that are not UTF-8 come with U+FFFD in them. */
export function parseTree(bytes: Buffer, idBytes: number): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const end = bytes.indexOf(0, space);
    if (space < 0 || end < 0 || end + idBytes >= bytes.length) throw new TypeError("a tree object is cut short");
    entries.push({
      mode: bytes.toString("latin1", at, space).replace(/^0+/, ""),
      name: bytes.toString("utf8", space + 1, end),
      id: bytes.toString("hex", end + 1, end + 1 + idBytes),
    });
    at = end + 1 + idBytes;
  }
  return entries;
}

export interface CommitInfo {
  readonly sha: CommitSha;
  readonly tree: TreeSha;
  readonly parents: readonly CommitSha[];
  readonly author: string;
  readonly email: string;
  /** When it was committed: what history is sorted by. */
  readonly at: Date;
  readonly subject: string;
}

/** Reads a commit object: headers, an empty line, the message. */
export function parseCommit(sha: CommitSha, bytes: Buffer): CommitInfo {
  const blank = bytes.indexOf("\n\n");
  const head = bytes.subarray(0, blank < 0 ? bytes.length : blank).toString("latin1");
  const decode = decoderFor(/^encoding (.+)$/m.exec(head)?.[1]);
  const header = (name: string): string[] =>
    [...head.matchAll(new RegExp(`^${name} (.*)$`, "gm"))].map(([, value = ""]) => value);
  const author = parsePerson(decode(Buffer.from(header("author")[0] ?? "", "latin1")));
  const committer = parsePerson(header("committer")[0] ?? "");
  const message = blank < 0 ? "" : decode(bytes.subarray(blank + 2));
  return {
    sha,
    tree: treeSha(header("tree")[0] ?? ""),
    parents: header("parent").map(commitSha),
    author: author.name,
    email: author.email,
    at: committer.at,
    subject: message.trimStart().split("\n", 1)[0] ?? "",
  };
}

function parsePerson(text: string): { name: string; email: string; at: Date } {
  const [, name = "", email = "", seconds = "0"] = /^(.*?) ?<([^>]*)>(?: (\d+))?/.exec(text) ?? [];
  return { name: name.trim(), email, at: dateOf(seconds) };
}

/** Seconds since 1970 as a date; what no calendar holds is 1970 itself. */
export function dateOf(seconds: string): Date {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? new Date(0) : date;
}

function decoderFor(encoding: string | undefined): (bytes: Uint8Array) => string {
  try {
    const decoder = new TextDecoder(encoding ?? "utf-8");
    return (bytes) => decoder.decode(bytes);
  } catch {
    // An encoding that nobody knows must not hide the commit: it is shown as UTF-8.
    return (bytes) => new TextDecoder().decode(bytes);
  }
}
