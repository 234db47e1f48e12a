import type { Json, Properties } from "../../../engine/provider.ts";
import type { ResourceState } from "../../../engine/state.ts";
import type { DriftView } from "../../../release/views.ts";
import { isMap, mapValues } from "../../../engine/value/value.ts";
import { titleOf, type KubeObject, type ObjectReference } from "../cluster/object.ts";
import { asleepSince } from "../place.ts";
import { isSecretKind, manifestOf, mapAt, parseId, textAt } from "../provider/manifest.ts";
import { kindOf } from "../provider/token.ts";
import { handedOver } from "../rollout/handover.ts";
import { holds, pathText, union, type FieldTree, type ManagedFields, type Path } from "./field-tree.ts";
import { lostFields, unsealed, type LostField, type Place } from "./lost-fields.ts";

/** What others made of an object that an apply has made. */
export interface Drift extends DriftView {
  /** Of the resource in the stack's state. */
  readonly urn: string;
  /** It sleeps, or has made room: putting it back now would start it. */
  readonly isResting: boolean;
}

/** An object of a stack, as its state has it. */
export interface Applied {
  readonly urn: string;
  readonly reference: ObjectReference;
  readonly resource: ResourceState;
}

/** Written into a resource's state, so that the next apply makes it anew as it should be. */
export const changedByOthers = "it was changed by others";

/** The stack's objects in the cluster that its target is. */
export function appliedObjects(resources: readonly ResourceState[], target: string): readonly Applied[] {
  return resources.flatMap((resource) => {
    const { urn, type, id = "", provider = "" } = resource;
    const isOurs = type.startsWith("kubernetes:") && provider.includes(`::${target}::`);
    if (!isOurs || resource.delete === true || resource.external === true) return [];
    return [{ urn, resource, reference: { ...kindOf(type), ...parseId(id) } }];
  });
}

/** How the object differs from what was applied, by what others did. Null: there is none. Pure. */
export function findDrift(applied: Applied, live: KubeObject | null, all: readonly Applied[] = []): readonly Drift[] {
  const { urn, reference, resource } = applied;
  const object = titleOf(reference);
  const none = { urn, object, isResting: false, field: null, wanted: null, by: null, at: null, note: "" };
  if (live === null || live.metadata.deletionTimestamp !== undefined) {
    // What failed to be made may never have been there.
    const isFailed = (resource.initErrors ?? []).some((reason) => reason !== changedByOthers);
    return isFailed ? [] : [{ ...none, found: null }];
  }
  const uid = textAt(mapAt(propertiesOf(resource.outputs, isSecretKind(reference)), "metadata"), "uid");
  if (uid !== undefined && uid !== live.metadata.uid) return [{ ...none, found: "another object of this name" }];
  const place = placeIn(applied, live);
  const context: Context = {
    live,
    own: place.manager,
    managers: managersOf(live),
    isScaled: isScaled(reference, all),
    isSecret: isSecretKind(reference),
  };
  return [...lostFields(place)].flatMap((lost) => {
    const drift = describe(lost, context);
    return drift ? [{ ...none, ...drift, isResting: isResting(live) }] : [];
  });
}

const managersOf = ({ metadata }: KubeObject) => (metadata.managedFields ?? []) as readonly ManagedFields[];

/** The object as it was applied beside what it is, and whose its fields were written as. */
export function placeIn(applied: Applied, live: KubeObject): Place & { readonly manager: string } {
  const { resource, reference } = applied;
  const isSecret = isSecretKind(reference);
  const [inputs, outputs] = [propertiesOf(resource.inputs, isSecret), propertiesOf(resource.outputs, isSecret)];
  const manager = textAt(outputs, "__fieldManager") ?? "waybill";
  return {
    manager,
    declared: declaredOf(applied, inputs),
    applied: outputs,
    live: live as unknown as Properties,
    own: treeOf(managersOf(live).filter((each) => each.manager === manager)),
    isSecret: false,
  };
}

/** What stands in the object's own fields: its names are not managed, its status is the cluster's. */
function declaredOf({ resource }: Applied, inputs: Properties): Json {
  const { apiVersion: _, kind: __, metadata, ...rest } = manifestOf(kindOf(resource.type), inputs);
  const { name: ___, namespace: ____, ...notes } = metadata as unknown as Properties;
  return { ...rest, metadata: notes };
}

const treeOf = (entries: readonly ManagedFields[]): FieldTree | undefined =>
  entries
    .filter(({ subresource }) => subresource !== "status")
    .flatMap(({ fieldsV1 }) => (fieldsV1 ? [fieldsV1] : []))
    .reduce<FieldTree | undefined>((left, right) => (left ? union(left, right) : right), undefined);

interface Context {
  readonly live: KubeObject;
  readonly own: string;
  readonly managers: readonly ManagedFields[];
  readonly isScaled: boolean;
  readonly isSecret: boolean;
}

const hidden = "[secret]";

function describe(lost: LostField, context: Context): Pick<Drift, "field" | "wanted" | "found" | "by" | "at"> | null {
  const owner = ownerOf(context, lost.path);
  if (owner?.manager?.startsWith("waybill") || owner?.manager === context.own) return null;
  const field = pathText(lost.path);
  if (field === "spec.replicas" && (context.isScaled || isAutoscaler(owner) || isOut(context.live))) return null;
  const isSecret = lost.isSecret || (context.isSecret && /^(?:data|stringData)\b/.test(field));
  const shown = (value: Json | undefined): Json => (value === undefined ? null : isSecret ? hidden : value);
  return {
    field,
    wanted: shown(lost.wanted),
    found: shown(lost.found),
    by: owner?.manager ?? null,
    at: owner?.time ?? null,
  };
}

/** A Secret's are secret as a whole: its keys are told, its values are not. */
const propertiesOf = (properties: Properties = {}, isSecret: boolean): Properties =>
  isSecret ? mapValues(properties, (value) => unsealed(value) ?? null) : properties;

/** Who has the field now, the latest of several. */
function ownerOf({ managers }: Context, path: Path): ManagedFields | null {
  const owners = managers.filter(({ fieldsV1 }) => fieldsV1 !== undefined && holds(fieldsV1, path));
  return owners.toSorted((a, b) => (b.time ?? "").localeCompare(a.time ?? ""))[0] ?? null;
}

/** The autoscaler's controller, whoever has set it up. */
const isAutoscaler = (owner: ManagedFields | null): boolean =>
  owner?.subresource === "scale" && (owner.manager ?? "").startsWith("kube-controller");

const isOut = ({ metadata }: KubeObject): boolean => metadata.annotations?.[handedOver] !== undefined;
const isResting = (live: KubeObject): boolean => isOut(live) || live.metadata.annotations?.[asleepSince] !== undefined;

/** Whether an autoscaler of the same stack says how many replicas it has. */
function isScaled({ name }: ObjectReference, all: readonly Applied[]): boolean {
  return all.some(({ reference, resource }) => {
    const { scaleTargetRef } = mapAt(resource.inputs ?? {}, "spec");
    return reference.kind === "HorizontalPodAutoscaler" && isMap(scaleTargetRef) && scaleTargetRef["name"] === name;
  });
}
