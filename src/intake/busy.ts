import { WaybillError } from "../core/errors.ts";

const retryAfterMs = 2_000;

/** What is said to whoever comes when as many wait already as may. */
export const busy = (): WaybillError =>
  new WaybillError("BUSY", "the server has as many Git requests as it takes. Try again in a moment.", { retryAfterMs });
