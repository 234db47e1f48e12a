import { WaybillError } from "../../core/errors.ts";
import type { DetailedDiff, DiffKind, DiffResult, Properties } from "../provider.ts";
import type { ResourceState } from "../state.ts";
import { structuralDiff } from "../value/diff.ts";
import { covers, parsePath } from "../value/property-path.ts";
import { isDefaultProvider, parseProviderReference } from "../value/urn.ts";
import { revealedAll } from "../value/value.ts";
import type { Registration } from "./registration.ts";

/** What is to be done about one resource. */
export type StepPlan =
  | { readonly op: "create" }
  | { readonly op: "same" }
  | { readonly op: "update"; readonly detailedDiff: DetailedDiff; readonly stables: readonly string[] }
  | { readonly op: "replace"; readonly detailedDiff: DetailedDiff; readonly deleteBeforeReplace: boolean };

interface Situation {
  readonly registration: Pick<Registration, "deleteBeforeReplace" | "replaceOnChanges">;
  readonly old: ResourceState;
  readonly newInputs: Properties;
  /** Null: the provider does not compare, or cannot yet. */
  readonly providerDiff: DiffResult | null;
  readonly providerReference: string;
}

/** The plan for a resource that exists. Pure. Throws RESOURCE_PROTECTED where it would replace a protected one. */
export function planStep({ registration, old, newInputs, providerDiff, providerReference }: Situation): StepPlan {
  const structural = structuralDiff(revealedAll(old.inputs ?? {}), revealedAll(newInputs));
  const hasChanges = providerDiff?.changes ?? Object.keys(structural).length > 0;
  const detailed = hasChanges ? detailedOf(providerDiff, structural) : {};
  const hasMoved = isOtherProvider(old.provider ?? "", providerReference);
  const forced = hasChanges ? matching(detailed, registration.replaceOnChanges) : [];
  const replaces = [...(hasChanges ? (providerDiff?.replaces ?? []) : []), ...forced];
  if (old.pendingReplacement === true) {
    return { op: "replace", detailedDiff: detailed, deleteBeforeReplace: false };
  }
  if (replaces.length > 0 || hasMoved) {
    if (old.protect === true)
      throw protectedError(old.urn, `replaced (${replaces.join(", ") || "its provider changed"})`);
    return {
      op: "replace",
      detailedDiff: withReplaces(hasMoved ? { ...detailed, provider: "update-replace" } : detailed, replaces),
      deleteBeforeReplace: registration.deleteBeforeReplace ?? providerDiff?.deleteBeforeReplace ?? false,
    };
  }
  // The last create or update did not finish: what is there is not what the inputs say.
  const isUnfinished = (old.initErrors?.length ?? 0) > 0;
  if (hasChanges || isUnfinished) {
    return { op: "update", detailedDiff: detailed, stables: providerDiff?.stables ?? [] };
  }
  return { op: "same" };
}

export function protectedError(urn: string, fate: string): WaybillError {
  return new WaybillError(
    "RESOURCE_PROTECTED",
    `${urn} is protected and would be ${fate}. Take the option protect off it in an apply of its own first`,
  );
}

function detailedOf(providerDiff: DiffResult | null, structural: DetailedDiff): DetailedDiff {
  if (providerDiff?.detailedDiff) return providerDiff.detailedDiff;
  const isSilent = Object.keys(structural).length === 0;
  return isSilent ? Object.fromEntries((providerDiff?.replaces ?? []).map((path) => [path, "update"])) : structural;
}

function matching(detailed: DetailedDiff, patterns: readonly string[]): readonly string[] {
  return Object.keys(detailed).filter((key) =>
    patterns.some((pattern) => {
      const [wanted, path] = [parsePath(pattern), parsePath(key)];
      return pattern === "*" || (wanted !== null && path !== null && (covers(wanted, path) || covers(path, wanted)));
    }),
  );
}

const replacing: Record<DiffKind, DiffKind> = {
  add: "add-replace",
  delete: "delete-replace",
  update: "update-replace",
  "add-replace": "add-replace",
  "delete-replace": "delete-replace",
  "update-replace": "update-replace",
};

function withReplaces(detailed: DetailedDiff, replaces: readonly string[]): DetailedDiff {
  const paths = replaces.map(parsePath).filter((path) => path !== null);
  return Object.fromEntries(
    Object.entries(detailed).map(([key, kind]) => {
      const path = parsePath(key);
      return [key, path !== null && paths.some((replaced) => covers(replaced, path)) ? replacing[kind] : kind];
    }),
  );
}

/** Default providers follow the version of the program's package: their change moves nothing. */
function isOtherProvider(oldReference: string, newReference: string): boolean {
  if (oldReference === newReference || oldReference === "") return false;
  const [before, after] = [parseProviderReference(oldReference), parseProviderReference(newReference)];
  return !(isDefaultProvider(before.urn) && isDefaultProvider(after.urn));
}
