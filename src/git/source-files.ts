import { treeSha, type CommitSha, type TreeSha } from "../core/names.ts";
import type { Problem, SourceFile } from "../spec/problem.ts";
import { isPlainFile, modes, type TreeEntry } from "./objects/format.ts";
import type { Objects } from "./objects/objects.ts";

/** A file that declares something, by the id of its content. */
export interface FileEntry {
  readonly path: string;
  readonly id: string;
}

export interface FileList {
  readonly entries: readonly FileEntry[];
  /** What stands where a file should, but is none. */
  readonly problems: readonly Problem[];
}

export interface SourceFiles {
  readonly files: readonly (SourceFile & { readonly id: string })[];
  readonly problems: readonly Problem[];
}

export const settingsFile = "waybill.yaml";
const folder = "deployments";
const maxFileBytes = 1024 * 1024;
const maxFiles = 20_000;

/** The paths and content ids of `waybill.yaml` and `deployments/*.yaml` or `.yml`, in order of path. */
export async function listFiles(objects: Objects, commit: CommitSha): Promise<FileList> {
  const root = await objects.tree((await objects.commit(commit)).tree);
  const found: [path: string, entry: TreeEntry][] = [];
  const problems: Problem[] = [];
  const deployments = root.find(({ name }) => name === folder);
  if (deployments?.mode === modes.folder) {
    for (const entry of await objects.tree(treeSha(deployments.id))) {
      if (/\.ya?ml$/.test(entry.name)) found.push([`${folder}/${entry.name}`, entry]);
    }
  } else if (deployments) {
    problems.push(notRegular(folder, deployments.mode, "a folder"));
  }
  const settings = root.find(({ name }) => name === settingsFile);
  if (settings) found.push([settingsFile, settings]);
  const entries: FileEntry[] = [];
  for (const [path, { mode, id }] of found) {
    if (!isPlainFile(mode)) problems.push(notRegular(path, mode, "a plain file"));
    else if (entries.length < maxFiles) entries.push({ path, id });
  }
  if (found.length > maxFiles) problems.push(tooMany(found.length));
  return { entries, problems };
}

/** The same with their bytes. What was read before comes from memory: a commit costs what it changed. */
export async function readFiles(objects: Objects, commit: CommitSha): Promise<SourceFiles> {
  const { entries, problems } = await listFiles(objects, commit);
  const contents = await Promise.all(entries.map(({ id }) => objects.blob(id, maxFileBytes)));
  const files: (SourceFile & { id: string })[] = [];
  const all = [...problems];
  for (const [index, { path, id }] of entries.entries()) {
    const bytes = contents[index];
    if (Buffer.isBuffer(bytes)) files.push({ path, id, bytes });
    else all.push(tooLarge(path, bytes?.sizeBytes ?? 0));
  }
  return { files, problems: all };
}

/** The folder at `path` (`.` is the root) of a commit; null where no folder is. */
export async function treeAt(objects: Objects, commit: CommitSha, path: string): Promise<TreeSha | null> {
  let { tree } = await objects.commit(commit);
  for (const segment of path.split("/")) {
    if (segment === "." || segment === "") continue;
    const entry = (await objects.tree(tree)).find(({ name }) => name === segment);
    if (entry?.mode !== modes.folder) return null;
    tree = treeSha(entry.id);
  }
  return tree;
}

const names: Record<string, string> = {
  [modes.symlink]: "a symbolic link",
  [modes.folder]: "a folder",
  [modes.submodule]: "a submodule",
};

/** What is said of an entry, of that mode in Git, that stands where `wanted` should. */
export function notRegular(file: string, mode: string, wanted: string): Problem {
  const found = names[mode] ?? (isPlainFile(mode) ? "a file" : `an entry of mode ${mode}`);
  const message = `${file} is ${found}, which Waybill does not follow. Commit ${wanted} in its place.`;
  return { file, line: 1, column: 1, code: "FILE_NOT_REGULAR", message };
}

function tooLarge(file: string, sizeBytes: number): Problem {
  const message = `${file} is ${sizeBytes} bytes; at most ${maxFileBytes} are read. Move what is large into the source tree.`;
  return { file, line: 1, column: 1, code: "FILE_TOO_LARGE", message };
}

function tooMany(count: number): Problem {
  const message = `${folder} holds ${count} files; at most ${maxFiles} are read. Split the repository.`;
  return { file: folder, line: 1, column: 1, code: "FILE_UNREADABLE", message };
}
