import type { Mirror } from "../mirror.ts";

/** Connections that may stay for days are asked again, after each change of what requests are decided by. */
export interface Vigil {
  /** Ends a connection, by `end`, once it may not stay any more; call what it answers when the connection is over. */
  watch(mayStay: () => boolean, end: () => void): () => void;
}

interface Watched {
  readonly mayStay: () => boolean;
  readonly end: () => void;
}

// Many changes at once, such as a deploy of everything, are one reason to ask.
const gatherMs = 100;

export function makeVigil(mirror: Pick<Mirror, "onChange">): Vigil {
  const all = new Set<Watched>();
  let isAsking = false;

  function ask(): void {
    isAsking = false;
    for (const one of all) if (!one.mayStay()) one.end();
  }

  mirror.onChange(() => {
    if (isAsking || all.size === 0) return;
    isAsking = true;
    setTimeout(ask, gatherMs).unref();
  });

  return {
    watch(mayStay, end) {
      const watched = { mayStay, end };
      all.add(watched);
      return () => void all.delete(watched);
    },
  };
}
