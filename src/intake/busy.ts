import { WaybillError } from "../core/errors.ts";

const retryAfterMs = 2_000;

/** What is said to whoever comes when as many wait already as may: `what` are those that wait. */
export const busyWith = (what: string) => (): WaybillError =>
  new WaybillError("BUSY", `the server has as many ${what} as it takes. Try again in a moment.`, { retryAfterMs });
