import { messageOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";
import type { Standing } from "./line.ts";

/** Where the order of a line outlives the server. */
export interface LineBook {
  /** The first in line first. */
  list(): Promise<readonly Standing[]>;
  note(standing: Standing): Promise<void>;
  drop(stack: StackName): Promise<void>;
}

/** Writes down who stands in line, one after the other. What could not be written costs a place after a restart. */
export interface LineKeeper {
  joined(standing: Standing): void;
  left(stack: StackName): void;
  /** Empty where it cannot be read. */
  standing(): Promise<readonly Standing[]>;
  /** Resolves once all of it is written. */
  close(): Promise<void>;
}

export function makeLineKeeper(book: LineBook, log: Log): LineKeeper {
  const written = new Map<string, string>();
  let last = Promise.resolve();
  const write = (stack: StackName, act: () => Promise<void>): void => {
    last = last.then(act).catch((error: unknown) => {
      log.warn({ stack: stackKey(stack), error: messageOf(error) }, "who waits for room could not be written down");
    });
  };
  return {
    joined(standing) {
      const { stack, shapes } = standing;
      const text = JSON.stringify(shapes);
      // It comes again every half minute.
      if (written.get(stackKey(stack)) === text) return;
      written.set(stackKey(stack), text);
      write(stack, () => book.note(standing));
    },
    left(stack) {
      written.delete(stackKey(stack));
      write(stack, () => book.drop(stack));
    },
    standing: () =>
      book.list().catch((error: unknown) => {
        log.warn({ error: messageOf(error) }, "who waited for room before is not known");
        return [];
      }),
    close: () => last,
  };
}
