import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { maxLogBytes, rotate, sizeOf } from "../../targets/local/logs/log-file.ts";

const checkMs = 10_000;

/** Keeps the file that this process's output goes to within bounds, its older parts beside it, while the process lives. */
export function keepBounded(file: string, log: Log): void {
  const check = (): void => {
    try {
      if (sizeOf(file) > maxLogBytes) rotate(file);
    } catch (error) {
      log.warn({ error: messageOf(error) }, "the gateway's log could not be rotated");
    }
  };
  check();
  setInterval(check, checkMs).unref();
}
