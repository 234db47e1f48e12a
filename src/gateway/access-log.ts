import { appendFile, rename, stat } from "node:fs/promises";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

/** One request, once it is over. Nothing in it opens a door: no query, no header, no cookie. */
export interface AccessLine {
  readonly time: string;
  readonly requestId: string;
  readonly parentRequestId?: string;
  readonly host: string;
  /** `repository/environment/deployment`; null for the server itself and for unknown hosts. */
  readonly deployment: string | null;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Of the answer's body, to the client. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly user: string | null;
  readonly address: string;
}

export interface AccessLog {
  write(line: AccessLine): void;
  close(): Promise<void>;
}

const flushMs = 200;
const maxPendingBytes = 8 * 1024 * 1024;
const maxFileBytes = 64 * 1024 * 1024;
const keptFiles = 5;
const maxPathLength = 2_048;

/** Appends to `file`, several lines at a time and behind the requests; `file.1` … `file.5` are the older ones. */
export function makeAccessLog(file: string, log: Log, { maxBytes = maxFileBytes } = {}): AccessLog {
  let pending: string[] = [];
  let pendingBytes = 0;
  let dropped = 0;
  let timer: NodeJS.Timeout | null = null;
  let writing: Promise<void> = Promise.resolve();

  async function flush(): Promise<void> {
    const batch = pending.join("");
    pending = [];
    pendingBytes = 0;
    if (dropped > 0) log.warn({ dropped }, "the disk is too slow for the access log: lines were left out");
    dropped = 0;
    if (batch === "") return;
    try {
      await rotate(file, maxBytes);
      // Opened for each batch: during an upgrade two gateways append to one file, and either may rotate it.
      await appendFile(file, batch, { mode: 0o600 });
    } catch (error) {
      log.warn({ error: messageOf(error) }, "the access log could not be written");
    }
  }

  function schedule(): void {
    if (timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      writing = writing.then(flush);
    }, flushMs);
    timer.unref();
  }

  return {
    write(line) {
      if (pendingBytes > maxPendingBytes) {
        dropped += 1;
        return;
      }
      const text = `${JSON.stringify({ ...line, path: line.path.slice(0, maxPathLength) })}\n`;
      pending.push(text);
      pendingBytes += text.length;
      schedule();
    },
    async close() {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      await writing.then(flush);
    },
  };
}

async function rotate(file: string, maxBytes: number): Promise<void> {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size < maxBytes) return;
  for (let number = keptFiles - 1; number >= 0; number -= 1) {
    const from = number === 0 ? file : `${file}.${number}`;
    await rename(from, `${file}.${number + 1}`).catch(() => undefined);
  }
}
