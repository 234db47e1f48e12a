import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { commitSha, type CommitSha } from "../core/names.ts";
import type { Spawn } from "../core/spawn.ts";
import { requireGit } from "./command.ts";
import { dateOf } from "./objects/format.ts";
import { parseTagName, parseTrailers, type SnapshotTag } from "./snapshot-tag.ts";

/** A repository's branches and snapshots at one moment. */
export interface RefView {
  /** When reading began, on this process's monotonic clock in milliseconds: what changed later may be missing. */
  readonly asOf: number;
  /** The default branch's name, whether it has a commit yet or not. */
  readonly head: string;
  readonly branches: ReadonlyMap<string, CommitSha>;
  /** By environment and number, ascending. A tag of that name on anything but a commit is left out. */
  readonly snapshots: readonly SnapshotTag[];
}

// NUL cannot stand in a ref or a person's name; the message comes last, with its length before it.
const fields = [
  "refname",
  "objecttype",
  "objectname",
  "*objecttype",
  "*objectname",
  "taggername",
  "taggeremail:trim",
  "creatordate:unix",
  "contents:size",
];
const format = `${fields.map((field) => `%(${field})`).join("%00")}%0a%(contents)`;
const newline = 0x0a;

interface RefRow {
  readonly name: string;
  readonly type: string;
  readonly id: string;
  readonly peeledType: string;
  readonly peeledId: string;
  readonly tagger: { readonly name: string; readonly email: string };
  readonly at: Date;
  readonly contents: string;
}

/** Reads branches and snapshots in one process. */
export async function readRefs(path: string, env: Readonly<Record<string, string>>, spawn: Spawn): Promise<RefView> {
  const asOf = performance.now();
  const [output, head] = await Promise.all([
    requireGit(`${path}: reading refs`, ["for-each-ref", `--format=${format}`, "refs/heads/", "refs/tags/waybill/"], {
      cwd: path,
      env: { ...env, GIT_DIR: path },
      spawn,
    }),
    readHead(path),
  ]);
  const branches = new Map<string, CommitSha>();
  const snapshots: SnapshotTag[] = [];
  for (const row of parseRefs(output)) {
    if (row.name.startsWith("refs/heads/")) branches.set(row.name.slice("refs/heads/".length), commitSha(row.id));
    const snapshot = toSnapshot(row);
    if (snapshot) snapshots.push(snapshot);
  }
  snapshots.sort((a, b) =>
    a.environment < b.environment ? -1 : a.environment > b.environment ? 1 : a.number - b.number,
  );
  return { asOf, head, branches, snapshots };
}

/** The default branch's name. */
export async function readHead(path: string): Promise<string> {
  const head = await readFile(join(path, "HEAD"), "utf8");
  return /^ref: refs\/heads\/(.+)$/m.exec(head)?.[1] ?? "main";
}

export function* parseRefs(output: Buffer): Generator<RefRow> {
  for (let at = 0; at < output.length;) {
    const end = output.indexOf(newline, at);
    const parts = output.toString("utf8", at, end).split("\0");
    const [name = "", type = "", id = "", peeledType = "", peeledId = "", tagger = "", email = "", seconds = "0"] =
      parts;
    const sizeBytes = Number(parts[8]);
    yield {
      name,
      type,
      id,
      peeledType,
      peeledId,
      tagger: { name: tagger, email },
      at: dateOf(seconds),
      contents: output.toString("utf8", end + 1, end + 1 + sizeBytes),
    };
    at = end + 1 + sizeBytes + 1;
  }
}

function toSnapshot(row: RefRow): SnapshotTag | null {
  const tag = row.name.slice("refs/tags/".length);
  const named = row.name.startsWith("refs/tags/") ? parseTagName(tag) : null;
  if (!named) return null;
  const base = { tag, ...named, sha: row.id, at: row.at };
  if (row.type === "commit") {
    // A lightweight tag has no message of its own; its commit's must not speak for it.
    return { ...base, commit: commitSha(row.id), tagger: null, message: "", trailers: {} };
  }
  if (row.type !== "tag" || row.peeledType !== "commit") return null;
  const { text, trailers } = parseTrailers(row.contents);
  return { ...base, commit: commitSha(row.peeledId), tagger: row.tagger, message: text, trailers };
}
