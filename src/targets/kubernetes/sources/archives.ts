import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream, existsSync, mkdirSync, readFileSync } from "node:fs";
import { readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import { isSha, treeSha, type TreeSha } from "../../../core/names.ts";
import type { ArchivedFile, ArchiveSource } from "../../workload.ts";

/** Archives of source trees in the data folder: as they are in Git, with files written over them, or built. */
export interface Archives {
  has(key: string): boolean;
  /** Makes the archive of a tree under `key`, or waits for whoever is making it. */
  ensure(key: string, request: ArchiveRequest): Promise<void>;
  /** Keeps what a build answers. */
  store(key: string, body: ReadableStream<Uint8Array>): Promise<void>;
  /** The archive's bytes; a tree's own is made when it is not there. Throws NOT_FOUND for what cannot be made again. */
  read(repository: string, key: string): Promise<ArchiveBytes>;
  /** While an archive has a user it is kept. */
  use(key: string, user: string): Promise<void>;
  unuse(key: string, user: string): Promise<void>;
  /** Removes what nobody has used for `unusedMs`. */
  sweep(unusedMs: number): Promise<void>;
}

export interface ArchiveRequest {
  readonly repository: string;
  readonly tree: TreeSha;
  readonly files?: readonly ArchivedFile[];
  readonly signal: AbortSignal;
}

export interface ArchiveBytes {
  readonly sizeBytes: number;
  readonly body: ReadableStream<Uint8Array>;
}

interface Dependencies {
  readonly folder: string;
  readonly source: ArchiveSource;
  readonly clock: Clock;
}

const maxArchiveBytes = 8 * 2 ** 30;

export function makeArchives({ folder, source, clock }: Dependencies): Archives {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pathOf = (key: string): string => join(folder, `${key}.tar.gz`);
  const usersOf = (key: string): string => join(folder, `${key}.users`);
  const making = new Map<string, Promise<void>>();

  async function keep(key: string, write: (path: string) => Promise<void>): Promise<void> {
    const draft = `${pathOf(key)}.${randomUUID().slice(0, 8)}`;
    try {
      await write(draft);
      await rename(draft, pathOf(key));
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  async function ensure(key: string, request: ArchiveRequest): Promise<void> {
    if (existsSync(pathOf(key))) return;
    const known = making.get(key);
    if (known) return known;
    const made = keep(key, (path) => writeTree(source, request, path)).finally(() => making.delete(key));
    making.set(key, made);
    return made;
  }

  async function changeUsers(key: string, change: (users: Set<string>) => void): Promise<void> {
    const users = readUsers(usersOf(key));
    change(users);
    if (users.size === 0) await rm(usersOf(key), { force: true });
    else await writeFile(usersOf(key), [...users].join("\n"), { mode: 0o600 });
    await touch(pathOf(key), clock);
  }

  return {
    has: (key) => existsSync(pathOf(key)),
    ensure,
    store: (key, body) => keep(key, (path) => writeBounded(body, path)),
    async read(repository, key) {
      if (!existsSync(pathOf(key))) {
        // A built tree's key is no tree: what is not kept cannot be made here.
        if (!isSha(key)) throw notKept(repository);
        await ensure(key, { repository, tree: treeSha(key), signal: AbortSignal.timeout(makeTimeoutMs) });
      }
      await touch(pathOf(key), clock);
      const { size } = await stat(pathOf(key));
      return { sizeBytes: size, body: Readable.toWeb(createReadStream(pathOf(key))) as ReadableStream<Uint8Array> };
    },
    use: (key, user) => changeUsers(key, (users) => users.add(user)),
    unuse: (key, user) => changeUsers(key, (users) => users.delete(user)),
    async sweep(unusedMs) {
      const before = clock.now().getTime() - unusedMs;
      for (const name of await readdir(folder)) {
        const [key = ""] = name.split(".");
        if (name.endsWith(".users") || existsSync(usersOf(key))) continue;
        const { mtimeMs } = await stat(join(folder, name));
        if (mtimeMs < before) await rm(join(folder, name), { force: true });
      }
    },
  };
}

const makeTimeoutMs = 300_000;

const notKept = (repository: string): WaybillError =>
  new WaybillError("NOT_FOUND", `this built source of ${repository} is not kept any more: restart the deployment`);

const readUsers = (path: string): Set<string> =>
  new Set(
    existsSync(path)
      ? readFileSync(path, "utf8")
          .split("\n")
          .filter((line) => line !== "")
      : [],
  );

async function touch(path: string, clock: Clock): Promise<void> {
  const now = clock.now();
  await utimes(path, now, now).catch(() => undefined);
}

/** To a file, not to whoever asked: a slow reader must not hold up the one process that reads a repository's objects. */
async function writeTree(source: ArchiveSource, request: ArchiveRequest, path: string): Promise<void> {
  const gzip = createGzip({ level: 1 });
  const written = pipeline(gzip, createWriteStream(path, { mode: 0o600 }));
  try {
    await source.archive(request, async (bytes) => {
      if (!gzip.write(bytes)) await once(gzip, "drain");
    });
    gzip.end();
  } catch (error) {
    gzip.destroy();
    await written.catch(() => undefined);
    throw error;
  }
  await written;
}

async function writeBounded(body: ReadableStream<Uint8Array>, path: string): Promise<void> {
  let total = 0;
  async function* bounded(): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      total += piece.byteLength;
      if (total > maxArchiveBytes) {
        throw new WaybillError(
          "BODY_TOO_LARGE",
          `a built source is larger than ${maxArchiveBytes} bytes: build less of it`,
        );
      }
      yield piece;
    }
  }
  await pipeline(bounded, createWriteStream(path, { mode: 0o600 }));
}
