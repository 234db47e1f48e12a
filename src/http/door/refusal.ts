import { WaybillError } from "../../core/errors.ts";

/** What a person can put right: shown beside the form instead of on a page of its own. */
export const isRefusal = (thrown: unknown): thrown is WaybillError =>
  thrown instanceof WaybillError && thrown.verdict !== "bug";
