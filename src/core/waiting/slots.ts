/** Bounds how much happens at once: so many run, so many wait in line, the rest is refused. */
export interface Slots {
  /** Waits for a slot; answers the function that frees it. Calling that twice frees it once. */
  take(): Promise<() => void>;
  /** Holds a slot for the time of one call. */
  run<Result>(call: () => Promise<Result>): Promise<Result>;
}

export interface SlotLimits {
  readonly running: number;
  /** How many may wait in line, and what is thrown at whoever comes after them. Absent: as many as come. */
  readonly waiting?: { readonly most: number; readonly refusal: () => Error };
}

export function makeSlots({ running: most, waiting: queue }: SlotLimits): Slots {
  let running = 0;
  const waiting: (() => void)[] = [];

  function releaser(): () => void {
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const next = waiting.shift();
      // The slot goes from hand to hand: nobody who comes now can slip in between.
      if (next) next();
      else running -= 1;
    };
  }

  async function take(): Promise<() => void> {
    if (running < most) {
      running += 1;
      return releaser();
    }
    if (queue && waiting.length >= queue.most) throw queue.refusal();
    await new Promise<void>((resolve) => waiting.push(resolve));
    return releaser();
  }

  return {
    take,
    async run(call) {
      const release = await take();
      try {
        return await call();
      } finally {
        release();
      }
    },
  };
}
