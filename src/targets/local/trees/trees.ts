import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { WaybillError } from "../../../core/errors.ts";
import type { TreeSha } from "../../../core/names.ts";
import type { Ahead } from "../../../release/deployer.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";
import type { TreeSource } from "../../workload.ts";
import { runBuild } from "./build.ts";
import { killMarked } from "../processes/process-table.ts";
import { makePointers, type Pointers } from "./pointers.ts";
import { makeReadOnly, removeFolder } from "./tree-folder.ts";

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
  /** Where the files come from, when not from where all others do. */
  readonly ahead?: Ahead["files"];
}

interface Work {
  readonly promise: Promise<KeptTree>;
  readonly abort: AbortController;
  readonly listeners: Set<(message: string) => void>;
  /** Made from where the files are not to stay. */
  readonly isAhead: boolean;
  waiting: number;
}

interface Unneeded {
  readonly kept: number;
  readonly before: Date;
  /** Keys of trees that something runs from, besides their users. */
  readonly inUse?: ReadonlySet<string>;
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
  readonly #pointers: Pointers;
  readonly #work = new Map<string, Work>();

  constructor(dependencies: TreesDependencies) {
    this.#dependencies = dependencies;
    this.#pointers = makePointers(dependencies.folder);
    mkdirSync(dependencies.folder, { recursive: true, mode: 0o700 });
  }

  /** Makes the tree, or waits for whoever is making it. The build ends when nobody waits for it any more. */
  async ensure(request: TreeRequest, options: EnsureOptions): Promise<KeptTree> {
    options.signal.throwIfAborted();
    const key = treeKey(request);
    const folder = this.folderOf(key);
    if (folder !== null) return { key, folder };
    const found = this.#work.get(key);
    const work = found ?? this.#begin(key, request, options.ahead);
    try {
      return await waitFor(work, options);
    } catch (error) {
      // Whoever is making it ahead may have looked where the files are no more.
      if (!found?.isAhead || options.ahead || options.signal.aborted) throw error;
      return this.ensure(request, options);
    }
  }

  /** Null when no complete tree of this key is kept. */
  folderOf(key: string): string | null {
    const pointer = this.#pointers.read(key);
    return pointer && join(this.#dependencies.folder, pointer.folder, "tree");
  }

  /** While a tree has a user it is not removed. */
  use(key: string, { user, stack, now }: { user: string; stack: StackName; now: Date }): void {
    const pointer = this.#pointers.read(key);
    if (!pointer) return;
    const users = [...new Set([...pointer.users, user])];
    const stacks = [...new Set([...pointer.stacks, stackKey(stack)])];
    this.#pointers.write(key, { ...pointer, usedAt: now.toISOString(), users, stacks });
  }

  unuse(key: string, user: string, now: Date): void {
    const pointer = this.#pointers.read(key);
    if (!pointer) return;
    const users = pointer.users.filter((name) => name !== user);
    this.#pointers.write(key, { ...pointer, usedAt: now.toISOString(), users });
  }

  /** Removes trees without a user, but for each stack's newest: going back to those takes no build. */
  async removeUnused({ kept, before, inUse = new Set() }: Unneeded): Promise<void> {
    const unused = this.#pointers
      .keys()
      .flatMap((key) => {
        const pointer = this.#pointers.read(key);
        const isFree = pointer?.users.length === 0 && !inUse.has(key) && !this.#work.has(key);
        return isFree ? [{ key, ...pointer }] : [];
      })
      .sort((a, b) => b.usedAt.localeCompare(a.usedAt));
    const counts = new Map<string, number>();
    for (const { key, folder, stacks, usedAt } of unused) {
      const isYoung = Date.parse(usedAt) > before.getTime();
      const isKept = isYoung && stacks.some((stack) => (counts.get(stack) ?? 0) < kept);
      for (const stack of stacks) counts.set(stack, (counts.get(stack) ?? 0) + 1);
      if (isKept) continue;
      this.#pointers.remove(key);
      await removeFolder(join(this.#dependencies.folder, folder));
    }
  }

  /** Removes what an interrupted server left: folders to which nothing points. To be called before any `ensure`. */
  async cleanUp(): Promise<void> {
    const complete = this.#pointers.entries();
    const left = readdirSync(this.#dependencies.folder).filter((name) => !complete.has(name));
    for (const name of left) {
      const path = join(this.#dependencies.folder, name);
      // Its build may still be running.
      killMarked(buildMarker(path));
      await removeFolder(path);
    }
  }

  /** The tree that a stack has used last, of those that are kept. */
  newestOf(stack: StackName): string | null {
    const used = this.#pointers.keys().flatMap((key) => {
      const pointer = this.#pointers.read(key);
      return pointer?.stacks.includes(stackKey(stack)) === true ? [{ key, usedAt: pointer.usedAt }] : [];
    });
    return used.toSorted((a, b) => b.usedAt.localeCompare(a.usedAt))[0]?.key ?? null;
  }

  /** What its build has said, in a file that is not there without a build. */
  buildLog(key: string): string | null {
    const pointer = this.#pointers.read(key);
    return pointer && join(this.#dependencies.folder, pointer.folder, "build.log");
  }

  #begin(key: string, request: TreeRequest, ahead: Ahead["files"] | undefined): Work {
    const abort = new AbortController();
    const listeners = new Set<(message: string) => void>();
    const onProgress = (message: string): void => {
      for (const listener of listeners) listener(message);
    };
    const options = { signal: abort.signal, onProgress, ...(ahead && { ahead }) };
    const promise = this.#make(key, request, options).finally(() => this.#work.delete(key));
    // Everybody who waited may have left.
    promise.catch(() => undefined);
    const work = { promise, abort, listeners, isAhead: ahead !== undefined, waiting: 0 };
    this.#work.set(key, work);
    return work;
  }

  async #make(key: string, request: TreeRequest, options: EnsureOptions): Promise<KeptTree> {
    // The final path from the start: virtual environments and other builds write it into their files.
    const name = `${key}-${randomUUID().slice(0, 8)}`;
    const place = join(this.#dependencies.folder, name);
    const folder = join(place, "tree");
    mkdirSync(place, { mode: 0o755 });
    // Node and npm look upwards for a package.json: they must not find that of whatever folder the data is in.
    writeFileSync(join(place, "package.json"), "{}\n");
    try {
      await this.#materialise(request, folder, options);
      writeFiles(folder, request);
      if (request.build !== null) await this.#build(place, folder, request, options);
      options.signal.throwIfAborted();
      await makeReadOnly(folder);
      this.#pointers.write(key, { folder: name, usedAt: new Date(0).toISOString(), users: [], stacks: [] });
      return { key, folder };
    } catch (error) {
      await removeFolder(place);
      throw error;
    }
  }

  #materialise({ repository, tree }: TreeRequest, folder: string, options: EnsureOptions): Promise<void> {
    const { ahead, signal } = options;
    if (ahead) return ahead.materialise(tree, folder, signal);
    return this.#dependencies.source.materialise(repository, tree, folder, signal);
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
      marker: buildMarker(place),
      ...options,
    });
    await Promise.all([temporary, home].map(removeFolder));
  }
}

function writeFiles(folder: string, { workingDir, files }: TreeRequest): void {
  for (const [path, { content, mode }] of Object.entries(files)) {
    const target = resolve(folder, workingDir, path);
    if (!target.startsWith(folder + sep)) throw outside(path);
    mkdirSync(dirname(target), { recursive: true });
    // A link of the repository may lead anywhere.
    if (!(realpathSync(dirname(target)) + sep).startsWith(realpathSync(folder) + sep)) throw outside(path);
    rmSync(target, { force: true });
    writeFileSync(target, content, { mode: Number.parseInt(mode, 8) });
  }
}

async function waitFor(work: Work, { signal, onProgress }: EnsureOptions): Promise<KeptTree> {
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

/** Every process of a build carries this in its environment. */
const buildMarker = (place: string): string => `WAYBILL_BUILD=${place}`;

const outside = (path: string): WaybillError =>
  new WaybillError(
    "TARGET_UNSUPPORTED",
    `files: ${path} lies outside the source, and programs on this machine share its folders: use a relative path`,
  );
