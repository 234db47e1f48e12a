/** Names that a file system could take for Git's own folder, or for a step out of the tree. */
export function isUnsafeName(name: string): boolean {
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) return true;
  // U+FFFD: the name was not UTF-8, and would be written as another name than it has.
  if (name.includes("\ufffd")) return true;
  const plain = name.replaceAll(ignoredByHfs, "").toLowerCase();
  // `git~1` is what NTFS calls `.git` in short; both tests as in Git's own path.c and utf8.c.
  return plain === ".git" || /^git~[0-9]+$/.test(plain) || /^\.git[ .:\\]/.test(plain);
}

// Characters that HFS+ drops when it compares names (git: utf8.c, next_hfs_char).
const ignoredByHfs = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;

// As many as Linux follows before it answers ELOOP.
const maxHops = 40;

/**
 * Whether the link at `path` leads to somewhere within the tree, other links followed as the file system would:
 * a look at its text alone is fooled by `..` after another link. `links` are all links of the tree, path to target.
 */
export function staysInside(path: string, links: ReadonlyMap<string, string>): boolean {
  const pending = path.split("/").reverse();
  const here: string[] = [];
  for (let hops = 0; pending.length > 0;) {
    const segment = pending.pop() ?? "";
    if (segment === "" || segment === ".") continue;
    if (segment === "..") {
      if (here.pop() === undefined) return false;
      continue;
    }
    here.push(segment);
    const target = links.get(here.join("/"));
    if (target === undefined) continue;
    hops += 1;
    if (hops > maxHops || target.startsWith("/") || target.includes("\0")) return false;
    here.pop();
    pending.push(...target.split("/").reverse());
  }
  return true;
}
