import { createHash, randomUUID } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { WaybillError } from "../../core/errors.ts";
import type { TreeSha } from "../../core/names.ts";
import type { TreeSource } from "../workload.ts";
import { runBuild } from "./build.ts";

/** What makes a source tree: the same request is the same files, kept once. */
export interface TreeRequest {
  readonly repository: string;
  readonly tree: TreeSha;
  readonly workingDir: string;
  readonly build: string | null;
  /** The build's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** By path, relative to the working folder. */
  readonly files: Readonly<Record<string, { readonly content: string; readonly mode: string }>>;
}

export interface KeptTree {
  readonly key: string;
  readonly folder: string;
}

export interface EnsureOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
}

interface Work {
  readonly promise: Promise<KeptTree>;
  readonly abort: AbortController;
  readonly listeners: Set<(message: string) => void>;
  waiting: number;
}

/** Points to the folder of a complete tree, and says who uses it. */
interface Pointer {
  readonly folder: string;
  readonly usedAt: string;
  /** Ids of the resources that use it. */
  readonly users: readonly string[];
}

/** The tree's own id where its files are as Git has them, otherwise a digest of all that goes into them. */
export function treeKey({ tree, workingDir, build, files, env }: TreeRequest): string {
  if (build === null && Object.keys(files).length === 0) return tree;
  const parts = { tree, workingDir, build, files, env: build === null ? {} : env };
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 40);
}

export interface TreesDependencies {
  readonly folder: string;
  readonly source: TreeSource;
  /** What every build finds in its environment: a PATH, and how to reach the network. */
  readonly buildEnvironment: Readonly<Record<string, string>>;
}

/** Source trees on disk, each made once and then never changed. */
export class Trees {
  readonly #dependencies: TreesDependencies;
  readonly #work = new Map<string, Work>();

  constructor(dependencies: TreesDependencies) {
    this.#dependencies = dependencies;
    mkdirSync(dependencies.folder, { recursive: true, mode: 0o700 });
    this.#cleanUp();
  }

  /** Makes the tree, or waits for whoever is making it. The build ends when nobody waits for it any more. */
  async ensure(request: TreeRequest, { signal, onProgress }: EnsureOptions): Promise<KeptTree> {
    signal.throwIfAborted();
    const key = treeKey(request);
    const folder = this.folderOf(key);
    if (folder !== null) return { key, folder };
    const work = this.#work.get(key) ?? this.#begin(key, request);
    work.listeners.add(onProgress);
    work.waiting += 1;
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      return await Promise.race([work.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", abort);
      work.listeners.delete(onProgress);
      work.waiting -= 1;
      if (work.waiting === 0) work.abort.abort();
    }
  }

  /** Null when no complete tree of this key is kept. */
  folderOf(key: string): string | null {
    const pointer = this.#pointer(key);
    return pointer && join(this.#dependencies.folder, pointer.folder, "tree");
  }

  /** While a tree has a user it is not removed. */
  use(key: string, user: string, now: Date): void {
    const pointer = this.#pointer(key);
    if (!pointer) return;
    this.#point(key, { ...pointer, usedAt: now.toISOString(), users: [...new Set([...pointer.users, user])] });
  }

  unuse(key: string, user: string, now: Date): void {
    const pointer = this.#pointer(key);
    if (!pointer) return;
    const users = pointer.users.filter((name) => name !== user);
    this.#point(key, { ...pointer, usedAt: now.toISOString(), users });
  }

  /** Keys without a user, the one used last first. */
  unused(): readonly { readonly key: string; readonly usedAt: string }[] {
    return this.#keys()
      .flatMap((key) => {
        const pointer = this.#pointer(key);
        return pointer && pointer.users.length === 0 ? [{ key, usedAt: pointer.usedAt }] : [];
      })
      .sort((a, b) => b.usedAt.localeCompare(a.usedAt));
  }

  remove(key: string): void {
    const pointer = this.#pointer(key);
    if (!pointer || this.#work.has(key)) return;
    rmSync(this.#pointerPath(key), { force: true });
    removeReadOnly(join(this.#dependencies.folder, pointer.folder));
  }

  buildLog(key: string): string | null {
    const pointer = this.#pointer(key);
    return pointer && join(this.#dependencies.folder, pointer.folder, "build.log");
  }

  #begin(key: string, request: TreeRequest): Work {
    const abort = new AbortController();
    const listeners = new Set<(message: string) => void>();
    const onProgress = (message: string): void => {
      for (const listener of listeners) listener(message);
    };
    const promise = this.#make(key, request, { signal: abort.signal, onProgress }).finally(() =>
      this.#work.delete(key),
    );
    // Everybody who waited may have left.
    promise.catch(() => undefined);
    const work = { promise, abort, listeners, waiting: 0 };
    this.#work.set(key, work);
    return work;
  }

  async #make(key: string, request: TreeRequest, options: EnsureOptions): Promise<KeptTree> {
    // The final path from the start: virtual environments and other builds write it into their files.
    const name = `${key}-${randomUUID().slice(0, 8)}`;
    const place = join(this.#dependencies.folder, name);
    const folder = join(place, "tree");
    mkdirSync(place, { mode: 0o755 });
    try {
      await this.#dependencies.source.materialise(request.repository, request.tree, folder, options.signal);
      writeFiles(folder, request);
      if (request.build !== null) await this.#build(place, folder, request, options);
      options.signal.throwIfAborted();
      makeReadOnly(folder);
      this.#point(key, { folder: name, usedAt: new Date(0).toISOString(), users: [] });
      return { key, folder };
    } catch (error) {
      removeReadOnly(place);
      throw error;
    }
  }

  async #build(place: string, folder: string, request: TreeRequest, options: EnsureOptions): Promise<void> {
    const cwd = join(folder, request.workingDir);
    if (!existsSync(cwd)) {
      throw new WaybillError("SOURCE_MISSING", `workingDir "${request.workingDir}" is not a folder of the source`);
    }
    const temporary = join(place, "tmp");
    const home = join(place, "home");
    for (const path of [temporary, home]) mkdirSync(path, { mode: 0o700 });
    await runBuild({
      command: request.build ?? "",
      cwd,
      env: { ...this.#dependencies.buildEnvironment, HOME: home, TMPDIR: temporary, ...request.env },
      log: join(place, "build.log"),
      ...options,
    });
    for (const path of [temporary, home]) removeReadOnly(path);
  }

  #pointerPath(key: string): string {
    return join(this.#dependencies.folder, `${key}.json`);
  }

  #pointer(key: string): Pointer | null {
    if (!/^[0-9a-f]+$/.test(key)) return null;
    try {
      return JSON.parse(readFileSync(this.#pointerPath(key), "utf8")) as Pointer;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }

  #point(key: string, pointer: Pointer): void {
    const path = this.#pointerPath(key);
    writeFileSync(`${path}.new`, JSON.stringify(pointer), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  #keys(): readonly string[] {
    return readdirSync(this.#dependencies.folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => name.slice(0, -".json".length));
  }

  /** Removes what an interrupted server left: folders to which nothing points. */
  #cleanUp(): void {
    const complete = new Set(this.#keys().flatMap((key) => [`${key}.json`, this.#pointer(key)?.folder ?? ""]));
    for (const name of readdirSync(this.#dependencies.folder)) {
      if (!complete.has(name)) removeReadOnly(join(this.#dependencies.folder, name));
    }
  }
}

function writeFiles(folder: string, { workingDir, files }: TreeRequest): void {
  for (const [path, { content, mode }] of Object.entries(files)) {
    const target = resolve(folder, workingDir, path);
    if (!target.startsWith(folder + sep)) {
      throw new WaybillError(
        "TARGET_UNSUPPORTED",
        `files: ${path} lies outside the source, and programs on this machine share its folders: use a relative path`,
      );
    }
    mkdirSync(dirname(target), { recursive: true });
    rmSync(target, { force: true });
    writeFileSync(target, content, { mode: Number.parseInt(mode, 8) });
  }
}

/** Links are left as they are: what they point to inside the tree is visited by itself. */
function makeReadOnly(path: string): void {
  const status = lstatSync(path);
  if (status.isSymbolicLink()) return;
  if (status.isDirectory()) for (const name of readdirSync(path)) makeReadOnly(join(path, name));
  // oxlint-disable-next-line no-bitwise
  chmodSync(path, status.mode & 0o555);
}

function removeReadOnly(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (!status) return;
  if (status.isDirectory()) makeFoldersWritable(path);
  rmSync(path, { recursive: true, force: true });
}

function makeFoldersWritable(path: string): void {
  chmodSync(path, 0o700);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) makeFoldersWritable(join(path, entry.name));
  }
}
