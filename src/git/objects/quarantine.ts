import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { inflateSync } from "node:zlib";
import { isSha } from "../../core/names.ts";
import type { Spawn } from "../../core/spawn.ts";
import { makeByteSource } from "./byte-source.ts";
import { makeObjectProcess, parseHeader, type ObjectHeader, type ObjectProcess } from "./process.ts";

export interface QuarantineOptions {
  readonly path: string;
  /** Git's own variables that describe the quarantine to its hooks (git-receive-pack(1)). */
  readonly env: Readonly<Record<string, string>>;
  /** Reads what was accepted before. */
  readonly accepted: ObjectProcess;
  readonly spawn: Spawn;
}

// Read without waiting, since a wait on a busy machine costs more than the reading: so only what is small, and Git
// leaves at most 100 such files (receive.unpackLimit). The rest is left to Git.
const maxStoredBytes = 64 * 1024;
const maxBytes = 1024 * 1024;

/**
 * Objects that a push brought and nobody has accepted yet. A small push lies there as single files, read right here:
 * a Git process of its own, some 6 ms in every push, is started only for a push that came as a pack.
 */
export function makeQuarantineProcess({ path, env, accepted, spawn }: QuarantineOptions): ObjectProcess {
  const all = makeObjectProcess({ path, env, spawn });
  const folder = env["GIT_QUARANTINE_PATH"] ?? "";
  return {
    async ask(name, consume) {
      const loose = isSha(name) && folder !== "" ? readLoose(folder, name) : null;
      if (loose) return consume(loose.header, makeByteSource(Readable.from([loose.content])));
      return (await accepted.ask(name, consume)) ?? all.ask(name, consume);
    },
    close: () => all.close(),
  };
}

interface LooseObject {
  readonly header: ObjectHeader;
  /** With the newline that `git cat-file --batch` puts after each object. */
  readonly content: Buffer;
}

/** Reads `xx/yyyy…`: zlib over `TYPE SP SIZE NUL CONTENT` (gitformat-loose). Null when it is not there, or large. */
function readLoose(folder: string, id: string): LooseObject | null {
  const file = join(folder, id.slice(0, 2), id.slice(2));
  const sizeBytes = statSync(file, { throwIfNoEntry: false })?.size;
  if (sizeBytes === undefined || sizeBytes > maxStoredBytes) return null;
  const bytes = inflateAtMost(readFileSync(file));
  if (bytes === null) return null;
  const end = bytes.indexOf(0);
  const header = parseHeader(`${id} ${bytes.toString("latin1", 0, end)}`);
  return header && { header, content: Buffer.concat([bytes.subarray(end + 1), Buffer.from("\n")]) };
}

function inflateAtMost(stored: Buffer): Buffer | null {
  try {
    return inflateSync(stored, { maxOutputLength: maxBytes });
  } catch {
    // Too large, or not what it should be: Git decides.
    return null;
  }
}
