import pino from "pino";
import type { Log } from "../core/log.ts";

/** One JSON line per event, to a file or to stderr. Errors keep their code and cause; secrets redact themselves. */
export function makeLogger(destination: { readonly file: string } | "stderr"): Log & { flush(): void } {
  const options: pino.LoggerOptions = {
    level: process.env["WAYBILL_LOG_LEVEL"] ?? "info",
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: pino.stdSerializers.errWithCause, error: pino.stdSerializers.errWithCause },
  };
  const to = destination === "stderr" ? { dest: 2, sync: true } : { dest: destination.file, mkdir: true, sync: true };
  const logger = pino(options, pino.destination(to));
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    flush: () => logger.flush(),
  };
}
