import type { RefView } from "../../git/refs.ts";

/** Whether refs are others than those that were shown last; true for the first. */
export function makeRefMemory(): (repository: string, refs: RefView) => boolean {
  const seen = new Map<string, string>();
  return (repository, { head, branches, snapshots }) => {
    const found = JSON.stringify([head, [...branches], snapshots.map(({ tag, sha }) => [tag, sha])]);
    const hasChanged = seen.get(repository) !== found;
    seen.set(repository, found);
    return hasChanged;
  };
}
