/** What was opened, to be closed in reverse order. */
export interface Closers {
  add(close: () => Promise<void> | void): void;
  /** Closes everything even when some of it fails; then rejects with the first failure. */
  closeAll(): Promise<void>;
}

export function makeClosers(): Closers {
  const stack: (() => Promise<void> | void)[] = [];
  return {
    add: (close) => void stack.push(close),
    async closeAll() {
      const failures: unknown[] = [];
      // What a start that is under way opens meanwhile is closed, too.
      for (let close = stack.pop(); close; close = stack.pop()) {
        try {
          await close();
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
