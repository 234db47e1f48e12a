import type { WorkloadStatus } from "../../workload.ts";
import { ofComponent } from "../components.ts";
import type { Trouble } from "./diagnosis.ts";

/** How one component is; null where the deployment is of a single part. */
interface Part<Is> {
  readonly component: string | null;
  readonly is: Is;
}

// A deployment is as well as the worst of its components.
const worstFirst = [
  "failed",
  "degraded",
  "starting",
  "stopped",
  "paused",
  "sleeping",
  "ready",
] as const satisfies readonly WorkloadStatus["state"][];

/** Null: there are no parts. */
export function statusOfParts(parts: readonly Part<WorkloadStatus>[]): WorkloadStatus | null {
  for (const state of worstFirst) {
    const found = parts.filter(({ is }) => is.state === state);
    if (found.length === 0) continue;
    const reasons = found
      .map(({ component, is }) => ofComponent(component, is.reason))
      .filter((reason) => reason !== "");
    return { state, reason: reasons.join("\n") };
  }
  return null;
}

/** What is final says most. */
export function troubleOfParts(parts: readonly Part<Trouble | null>[]): Trouble | null {
  const found = parts.flatMap(({ component, is }) =>
    is ? [{ ...is, reason: ofComponent(component, is.reason) }] : [],
  );
  return found.find(({ isFinal }) => isFinal) ?? found[0] ?? null;
}
