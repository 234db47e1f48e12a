import type { Json, Properties } from "../../../engine/provider.ts";
import type { Step } from "../../../engine/step.ts";
import { redacted } from "../../../engine/value/redaction.ts";
import { isMap, mapValues } from "../../../engine/value/value.ts";
import type { ObjectChange } from "../../../release/deployer.ts";
import { labels } from "../names.ts";
import { mapAt, textAt } from "../provider/manifest.ts";
import { kindOf } from "../provider/token.ts";
import { differencesOf, type Difference } from "./differences.ts";

const ownPackage = "kubernetes:";
const actions = { create: "create", update: "update", replace: "replace", delete: "delete" } as const;
type Shown = Step & { readonly op: keyof typeof actions };

/**
 * A preview's steps as people read them. What is made for a new revision stands for what its old one had, so that it
 * shows what changes, and not two objects of which one is new.
 */
export function objectChangesOf(steps: readonly Step[]): readonly ObjectChange[] {
  const shown = steps.filter(isShown);
  const pairs = new Map<Shown, Shown>();
  for (const made of shown.filter(({ op }) => op === "create")) {
    const gone = shown.find((step) => isPredecessor(step, made) && ![...pairs.values()].includes(step));
    if (gone) pairs.set(made, gone);
  }
  const leaving = new Set(pairs.values());
  return shown.filter((step) => !leaving.has(step)).map((step) => changeOf(step, pairs.get(step) ?? null));
}

const isShown = (step: Step): step is Shown =>
  step.op in actions && step.type.startsWith(ownPackage) && step.sight !== undefined;

function isPredecessor(gone: Shown, made: Shown): boolean {
  if (gone.op !== "delete" || gone.type !== made.type) return false;
  const [before, after] = [revisionOf(gone.sight?.before), revisionOf(made.sight?.asked)];
  if (before === null || after === null) return false;
  return nameOf(gone.sight?.before).replace(before, after) === nameOf(made.sight?.asked);
}

const metadataOf = (object: Properties | null | undefined): Properties => mapAt(object ?? {}, "metadata");
const nameOf = (object: Properties | null | undefined): string => textAt(metadataOf(object), "name") ?? "";

function revisionOf(object: Properties | null | undefined): string | null {
  const own = metadataOf(object)["labels"];
  const revision = isMap(own) ? own[labels.revision] : undefined;
  return typeof revision === "string" && revision !== "" ? revision : null;
}

function changeOf(step: Shown, predecessor: Shown | null): ObjectChange {
  const { kind } = kindOf(step.type);
  const { asked = null, before = null, after = null } = step.sight ?? {};
  const old = predecessor ? renamed(predecessor.sight?.before ?? {}, predecessor, step) : before;
  const hide = kind === "Secret" ? withoutValues : (object: Properties): Properties => object;
  const was = predecessor ? nameOf(predecessor.sight?.before) : null;
  return {
    action: predecessor ? "replace" : actions[step.op],
    kind,
    name: nameOf(asked ?? before),
    ...(was !== null && { was }),
    fields: [
      ...(old && after ? differencesOf(hide(old), hide(after)) : []),
      // Which value is another can be said, and no more.
      ...(kind === "Secret" ? step.diffs.map((path) => ({ path, from: redacted, to: redacted })) : []),
    ],
    filled: asked && after && before === null ? differencesOf(hide(asked), hide(after)).filter(isSaid) : [],
  };
}

/** Of what is nothing, the API server leaves out the name. */
const isSaid = ({ from, to }: Difference): boolean =>
  to !== null || !["0", "false", '""', "[]", "{}"].includes(JSON.stringify(from));

/** The old revision's object as if it were the new one's: what is left is what the files changed. */
function renamed(before: Properties, gone: Shown, made: Shown): Properties {
  const [from, to] = [revisionOf(gone.sight?.before), revisionOf(made.sight?.asked)];
  if (from === null || to === null) return before;
  return JSON.parse(JSON.stringify(before).replaceAll(from, to)) as Properties;
}

const hidden = (value: Json): Json => (isMap(value) ? mapValues(value, () => redacted) : redacted);

/** Of a Secret, whoever wrote it: no value. What is written as text is in its data. */
function withoutValues({ data, stringData, ...rest }: Properties): Properties {
  const values = { ...(isMap(data) ? data : {}), ...(isMap(stringData) ? stringData : {}) };
  return { ...rest, data: hidden(values) };
}
