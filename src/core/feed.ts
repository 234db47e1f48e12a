/** Hands each published value to every listener there is at that moment. Keeps nothing. */
export interface Feed<Value> {
  publish(value: Value): void;
  /** Answers how to stop listening. A listener must not throw. */
  listen(listener: (value: Value) => void): () => void;
  /** The values published from the call on, until the signal aborts; more than `maxBuffered` behind drops the oldest. */
  follow(signal: AbortSignal): AsyncIterable<Value>;
}

const maxBuffered = 10_000;

export function makeFeed<Value>(): Feed<Value> {
  const listeners = new Set<(value: Value) => void>();
  const listen = (listener: (value: Value) => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return {
    publish(value) {
      for (const listener of listeners) listener(value);
    },
    listen,
    follow: (signal) => follow(listen, signal),
  };
}

function follow<Value>(listen: Feed<Value>["listen"], signal: AbortSignal): AsyncIterable<Value> {
  const buffer: Value[] = [];
  let wake = (): void => undefined;
  const wakeNow = (): void => wake();
  const stop = listen((value) => {
    if (buffer.length === maxBuffered) buffer.shift();
    buffer.push(value);
    wake();
  });
  signal.addEventListener("abort", wakeNow);
  async function* values(): AsyncGenerator<Value> {
    try {
      while (!signal.aborted) {
        const value = buffer.shift();
        if (value !== undefined) yield value;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
      yield* buffer;
    } finally {
      stop();
      signal.removeEventListener("abort", wakeNow);
    }
  }
  return values();
}
