import { WaybillError } from "../../core/errors.ts";
import type { Report } from "../stack/report.ts";
import type { EventLog } from "./events.ts";

interface Refusals {
  readonly events: EventLog;
  /** URNs that are protected, as far as this operation has seen. */
  readonly isProtected: (urn: string) => boolean;
  readonly report: Report;
}

/** What the CLI refused by itself, where neither a provider nor the program failed: told as theirs would be. */
export function reportRefusals({ events, isProtected, report }: Refusals): void {
  const errors = events.errors();
  const specific = errors.filter(({ urn }) => urn !== undefined && urn !== "");
  for (const { urn = "", message } of specific) {
    const code = isProtected(urn) ? "RESOURCE_PROTECTED" : "PROGRAM_FAILED";
    report.fail(urn, new WaybillError(code, message.trim()));
  }
  // Without a resource it is mostly "update failed", which says nothing where something else was said.
  if (specific.length > 0) return;
  for (const { message } of errors) report.failProgram(new WaybillError("PROGRAM_FAILED", message.trim()));
}
