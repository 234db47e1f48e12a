import type { Clock } from "../../../core/clock.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { appendStamped, maxLogBytes, rotate, sizeOf } from "../../local/logs/log-file.ts";
import { tail } from "../../local/logs/log-reader.ts";
import type { LogLine } from "../../workload.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { linesOf } from "../observe/logs.ts";
import type { PodObject } from "../observe/pods.ts";

interface LogCopy {
  readonly cluster: Pick<Cluster, "stream">;
  readonly pod: Pick<PodObject, "metadata">;
  readonly container: string;
  /** Where the lines go. */
  readonly path: string;
  /** Nothing is added to it any more. */
  readonly hasEnded: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const againMs = 500;
const maxLastTries = 3;
const flushMs = 100;
const flushLines = 1_000;
// Who looks for where a log was left off need not read all of it.
const rememberedLines = 20_000;
// Lines of two streams come nearly in the order of their times.
const slackMs = 1_000;

/** Copies what a container says, from where an earlier copy left off, until it has ended and all of it was read. */
export async function copyLog(copy: LogCopy): Promise<void> {
  const { hasEnded, clock, signal } = copy;
  const sink = makeSink(copy.path);
  for (let lastTries = 0; !signal.aborted && lastTries < maxLastTries;) {
    const isLast = hasEnded();
    if (isLast) lastTries += 1;
    try {
      await readOn(copy, sink, isLast ? {} : { follow: "true" });
      if (isLast) return;
    } catch (error) {
      copy.log.debug({ error: messageOf(error) }, "a run's log is read again");
    } finally {
      sink.flush();
    }
    if (isLast || !hasEnded()) await clock.sleep(againMs, signal).catch(() => undefined);
  }
}

async function readOn(
  { cluster, pod, container, signal }: LogCopy,
  sink: Sink,
  query: Readonly<Record<string, string>>,
): Promise<void> {
  const from = sink.reopen();
  const flushing = setInterval(() => sink.flush(), flushMs);
  const since = from === null ? {} : { sinceTime: from };
  try {
    for await (const line of linesOf(
      { cluster },
      { pod, name: container },
      { query: { ...query, ...since }, signal },
    )) {
      sink.take(line);
    }
  } finally {
    clearInterval(flushing);
  }
}

interface Sink {
  /** From which time on the log is to be read; null: all of it. What was taken of that is not taken again. */
  reopen(): string | null;
  take(line: LogLine): void;
  flush(): void;
}

const keyOf = ({ at, text }: LogLine): string => `${at} ${text}`;

function makeSink(path: string): Sink {
  let recent: LogLine[] = tail(path, rememberedLines).filter(({ stream }) => stream === "stdout");
  let waiting: LogLine[] = [];
  let taken = new Map<string, number>();

  function windowOf(lines: readonly LogLine[]): { readonly from: string; readonly lines: LogLine[] } | null {
    const last = lines.at(-1);
    if (!last) return null;
    // Whole seconds, as the kubelet counts them.
    const from = new Date(Date.parse(last.at) - slackMs).toISOString().slice(0, 19);
    return { from: `${from}Z`, lines: lines.filter(({ at }) => at >= from) };
  }
  function flush(): void {
    if (waiting.length === 0) return;
    const lines = waiting;
    waiting = [];
    appendStamped(path, lines);
    recent = windowOf([...recent, ...lines])?.lines.slice(-rememberedLines) ?? [];
    if (sizeOf(path) > maxLogBytes) rotate(path);
  }
  return {
    flush,
    reopen() {
      const window = windowOf(recent);
      recent = window?.lines ?? [];
      taken = new Map();
      for (const line of recent) taken.set(keyOf(line), (taken.get(keyOf(line)) ?? 0) + 1);
      return window?.from ?? null;
    },
    take(line) {
      const left = taken.get(keyOf(line)) ?? 0;
      if (left > 0) {
        taken.set(keyOf(line), left - 1);
        return;
      }
      waiting.push(line);
      if (waiting.length >= flushLines) flush();
    },
  };
}
