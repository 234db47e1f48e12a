import { WaybillError } from "../core/errors.ts";

export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/** Reads a body up to a size and within a time, whatever its headers say of its length. */
export async function readBody(request: Request, { maxBytes, timeoutMs }: BodyLimits): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  const deadline = timeout(timeoutMs);
  try {
    for (;;) {
      const { value } = await Promise.race([reader.read(), deadline.reached]);
      if (value === undefined) return Buffer.concat(chunks);
      sizeBytes += value.length;
      if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
      chunks.push(value);
    }
  } catch (error) {
    // Not awaited: a sender that stopped halfway would be waited for.
    reader.cancel(error).catch(() => undefined);
    throw error;
  } finally {
    deadline.clear();
  }
}

function timeout(timeoutMs: number): { readonly reached: Promise<never>; clear(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const timer = setTimeout(() => {
    reject(new WaybillError("REQUEST_INVALID", `the body did not arrive within ${timeoutMs / 1000} s`));
  }, timeoutMs);
  return { reached: promise, clear: () => clearTimeout(timer) };
}

const tooLarge = (maxBytes: number): WaybillError =>
  new WaybillError("BODY_TOO_LARGE", `the body is larger than ${maxBytes} bytes, the most that is taken here`);
