import type { Properties } from "../../../engine/provider.ts";
import { mapAt, textAt } from "./manifest.ts";

// Those of the upstream plugin: https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
export const autonamed = "pulumi.com/autonamed";

/**
 * Which pods of its namespace rely on an object, as a label selector: one that is deleted goes with the last of them. Of
 * this provider; the upstream plugin deletes it at once.
 */
export const leavesWithPods = "waybill.dev/leaves-with-pods";

export interface Wishes {
  readonly skipAwait: boolean;
  readonly timeoutMs: number;
  readonly propagation: "Background" | "Foreground" | "Orphan" | null;
  /** Null: it goes at once. */
  readonly leavesWithPods: string | null;
}

const defaultTimeoutMs = 10 * 60_000;
const propagations = { background: "Background", foreground: "Foreground", orphan: "Orphan" } as const;

/** What an object's annotations ask of whoever applies it. */
export function wishesOf(inputs: Properties): Wishes {
  const annotations = mapAt(mapAt(inputs, "metadata"), "annotations");
  const seconds = Number(textAt(annotations, "pulumi.com/timeoutSeconds"));
  const policy = textAt(annotations, "pulumi.com/deletionPropagationPolicy")?.toLowerCase() ?? "";
  return {
    skipAwait: textAt(annotations, "pulumi.com/skipAwait") === "true",
    timeoutMs: seconds > 0 ? seconds * 1_000 : defaultTimeoutMs,
    leavesWithPods: textAt(annotations, leavesWithPods) ?? null,
    propagation: Object.hasOwn(propagations, policy) ? propagations[policy as keyof typeof propagations] : null,
  };
}

export const isAutonamed = (inputs: Properties): boolean =>
  textAt(mapAt(mapAt(inputs, "metadata"), "annotations"), autonamed) === "true";
