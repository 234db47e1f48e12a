import type { DiffKind, DiffResult } from "../../provider.ts";
import { providerMessages } from "../../program/sdk.ts";

const { PropertyDiff, DiffResponse } = providerMessages;
const kinds = {
  add: PropertyDiff.Kind.ADD,
  "add-replace": PropertyDiff.Kind.ADD_REPLACE,
  delete: PropertyDiff.Kind.DELETE,
  "delete-replace": PropertyDiff.Kind.DELETE_REPLACE,
  update: PropertyDiff.Kind.UPDATE,
  "update-replace": PropertyDiff.Kind.UPDATE_REPLACE,
} as const satisfies Record<DiffKind, unknown>;

/** A provider's comparison, as the CLI reads it. */
export function detailedDiffMessage({ changes, replaces = [], ...rest }: DiffResult) {
  const { deleteBeforeReplace = false, detailedDiff = {}, stables = [] } = rest;
  const response = new DiffResponse();
  response.setChanges(changes ? DiffResponse.DiffChanges.DIFF_SOME : DiffResponse.DiffChanges.DIFF_NONE);
  if (!changes) return response;
  response.setReplacesList([...replaces]);
  response.setStablesList([...stables]);
  response.setDeletebeforereplace(deleteBeforeReplace);
  response.setDiffsList([...new Set(Object.keys(detailedDiff).map((path) => path.split(/[.[]/)[0] ?? path))]);
  response.setHasdetaileddiff(Object.keys(detailedDiff).length > 0);
  for (const [path, kind] of Object.entries(detailedDiff)) {
    const diff = new PropertyDiff();
    diff.setKind(replaces.includes(path) ? replacing(kind) : kinds[kind]);
    diff.setInputdiff(true);
    response.getDetaileddiffMap().set(path, diff);
  }
  return response;
}

const replacing = (kind: DiffKind) => (kind.endsWith("-replace") ? kinds[kind] : kinds[`${kind}-replace` as DiffKind]);
