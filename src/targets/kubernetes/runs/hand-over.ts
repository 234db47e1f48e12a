import { randomUUID } from "node:crypto";
import { createWriteStream, existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { WaybillError } from "../../../core/errors.ts";
import { makeFeed } from "../../../core/feed.ts";
import { runFolder, type RunFolder } from "../../local/runs/run-folder.ts";
import { usualOutputBytes } from "../../run-executor.ts";
import { runKey, type RunStart } from "../sources/signature.ts";
import { entriesOf, type ArchivedEntry } from "./untar.ts";

/** What pods bring of what runs have left, in the runs' folders. */
export interface HandOvers {
  /** Keeps an archive of `result/` and `output/`. Throws NOT_FOUND for a run that nobody waits for. */
  receive(start: RunStart, body: ReadableStream<Uint8Array>): Promise<void>;
  /** Is it being brought at this moment? */
  isComing(start: RunStart): boolean;
  has(start: RunStart): boolean;
  /** Puts it where the run has its result and its files; null where nothing was brought. May be done twice. */
  take(start: RunStart): Promise<Left | null>;
  /** Called with the key of what was brought. */
  onReceived(listener: (key: string) => void): () => void;
}

export interface Left {
  readonly peakMemoryBytes: number | null;
  /** Why not all of it is kept; null where it is. */
  readonly fault: string | null;
}

const maxFiles = 1_000;
// What is too much is read and thrown away, so that the rest is had; but not for ever.
const maxReadBytes = 8 * 2 ** 30;

/** `folder`: holds a folder per run. `maxBytes`: so much is kept of what one run leaves. */
export function makeHandOvers(folder: string, maxBytes = usualOutputBytes): HandOvers {
  const coming = new Map<string, number>();
  const received = makeFeed<string>();
  const placeOf = (start: RunStart): RunFolder & { readonly left: string } => {
    const place = runFolder(folder, start.run);
    return { ...place, left: join(place.path, `left-${start.attempt}`) };
  };
  const count = (key: string, change: number): void => void coming.set(key, (coming.get(key) ?? 0) + change);

  return {
    async receive(start, body) {
      const place = placeOf(start);
      if (!existsSync(place.path) || existsSync(place.exit(start.attempt))) {
        throw new WaybillError(
          "NOT_FOUND",
          `nobody waits for what start ${start.attempt} of run ${start.run} has left`,
        );
      }
      const draft = `${place.left}.${randomUUID().slice(0, 8)}`;
      const key = runKey(start);
      count(key, 1);
      try {
        await mkdir(draft, { mode: 0o700 });
        await unpack(body, draft, maxBytes);
        // What was brought before was brought whole: its answer was lost.
        if (!existsSync(place.left)) await rename(draft, place.left);
      } finally {
        count(key, -1);
        await rm(draft, { recursive: true, force: true });
      }
      received.publish(key);
    },
    isComing: (start) => (coming.get(runKey(start)) ?? 0) > 0,
    has: (start) => existsSync(placeOf(start).left),
    async take(start) {
      const { left, result, output } = placeOf(start);
      if (!existsSync(left)) return null;
      await moveOver(join(left, "result/value.json"), result);
      await moveOver(join(left, "output"), output);
      return { peakMemoryBytes: peakIn(join(left, "result/peak")), fault: textIn(join(left, "fault")) };
    },
    onReceived: (listener) => received.listen(listener),
  };
}

async function moveOver(from: string, to: string): Promise<void> {
  if (!existsSync(from)) return;
  await rm(to, { recursive: true, force: true });
  await rename(from, to);
}

function peakIn(path: string): number | null {
  const bytes = Number.parseInt(textIn(path) ?? "", 10);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : null;
}

const textIn = (path: string): string | null => (existsSync(path) ? readFileSync(path, "utf8") : null);

async function unpack(body: ReadableStream<Uint8Array>, folder: string, maxBytes: number): Promise<void> {
  let [files, keptBytes, readBytes] = [0, 0, 0];
  const faults = new Set<string>();
  const archive = Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]).pipe(createGunzip());
  for await (const entry of entriesOf(bounded(archive, (bytes) => (readBytes += bytes) <= maxReadBytes))) {
    const path = pathWithin(entry.path);
    if (path === null) continue;
    files += 1;
    keptBytes += entry.bytes;
    if (files > maxFiles) faults.add(`only ${maxFiles} of its files are kept`);
    else if (keptBytes > maxBytes) faults.add(`of its files, ${maxBytes} bytes are kept and no more`);
    else await write(entry, join(folder, path));
  }
  if (faults.size > 0) await writeFile(join(folder, "fault"), [...faults].join("; "), { mode: 0o600 });
}

async function* bounded(pieces: AsyncIterable<Buffer>, count: (bytes: number) => boolean): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    if (!count(piece.length)) {
      throw new WaybillError("BODY_TOO_LARGE", `what the run has left is larger than ${maxReadBytes} bytes`);
    }
    yield piece;
  }
}

/** Null for what is nothing that a run leaves. */
function pathWithin(path: string): string | null {
  const place = posix.normalize(path);
  const isOurs = place === "result/value.json" || place === "result/peak" || place.startsWith("output/");
  return isOurs && !place.includes("\0") && !place.endsWith("/") ? place : null;
}

async function write({ body }: ArchivedEntry, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // A folder that only we write to holds no links.
  await pipeline(body, createWriteStream(path, { flags: "wx", mode: 0o600 }));
}
