/** Who pushed which snapshot tags: asked of whoever authenticated, since a tag itself may say anything. */
export interface Pushers {
  /** Before the refs change, so that no look finds a tag whose pusher is not known yet. */
  note(repository: string, tag: string, name: string): void;
  /** Answers once: a number is never used again. */
  take(repository: string, tag: string): string | undefined;
}

/** Known to this process only: of what a restart finds, the tags tell. */
export function makePushers(): Pushers {
  const known = new Map<string, string>();
  const keyOf = (repository: string, tag: string): string => `${repository} ${tag}`;
  return {
    note: (repository, tag, name) => void known.set(keyOf(repository, tag), name),
    take(repository, tag) {
      const key = keyOf(repository, tag);
      const name = known.get(key);
      known.delete(key);
      return name;
    },
  };
}
