import type { Clock } from "../../../core/clock.ts";
import { messageOf, WaybillError, type ErrorCode } from "../../../core/errors.ts";
import {
  PartialCreate,
  type CreateResult,
  type EffectContext,
  type Properties,
  type UpdateResult,
} from "../../../engine/provider.ts";
import type { Redaction } from "../../../engine/value/redaction.ts";
import { ClusterError, isStatus } from "../cluster/cluster-error.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { referenceOf, titleOf, type KubeObject } from "../cluster/object.ts";
import type { SharedInformers } from "../cluster/shared-informers.ts";
import { awaitReady, type Outcome } from "../readiness/await-ready.ts";
import { ruleOf } from "../readiness/rules.ts";
import { wishesOf } from "./annotations.ts";
import { keepFromPods, untilGone } from "./deletion.ts";
import { applyOver } from "./apply-over.ts";
import { idOf, manifestOf, mapAt, outputsOf, parseId, textAt, withDryRunName } from "./manifest.ts";
import { maskedError } from "./masking.ts";
import { askAboutPod } from "../preview/pod-admission.ts";
import { previewOfInputs, previewOfUpdate } from "./preview.ts";
import { isBuiltInGroup, kindOf } from "./token.ts";

/** What the calls of one configuration work with. */
export interface Bound {
  readonly cluster: Cluster;
  readonly informers: SharedInformers;
  readonly clock: Clock;
}

type Wanted = Pick<EffectContext, "type" | "signal" | "onProgress"> & { readonly inputs: Properties };
type Applying = Wanted & { readonly mask: Redaction };

/** Applies the inputs and waits until what they describe is ready. Throws PartialCreate when it does not get so. */
export async function applyInputs(bound: Bound, applying: Applying): Promise<CreateResult> {
  const { inputs, type, signal, onProgress } = applying;
  const applied = await applyLiving(bound, applying);
  const id = idOf(applied.metadata.namespace, applied.metadata.name);
  const rule = ruleOf(kindOf(type));
  const { skipAwait, timeoutMs, leavesWithPods } = wishesOf(inputs);
  if (leavesWithPods !== null) await keepFromPods(bound.cluster, applied, signal);
  if (rule === undefined || skipAwait) return { id, outputs: outputsOf(applied, inputs) };
  const outcome = await awaitReady(bound, { object: applied, rule, signal, timeoutMs, onProgress });
  const result = { id, outputs: outputsOf(outcome.object, inputs) };
  if (outcome.state === "ready") return result;
  throw notReady(result, outcome, { applying, timeoutMs });
}

// Errors after which nobody knows whether the object was applied: the answer may have been lost.
const doubtful = new Set<ErrorCode>(["CLUSTER_UNREACHABLE", "CLUSTER_BUSY"]);

/** Creates an object; one that may be there although the call failed is kept in the state, to be looked at again. */
export async function createInputs(bound: Bound, applying: Applying): Promise<CreateResult> {
  const { inputs, mask, signal } = applying;
  try {
    return await applyInputs(bound, applying);
  } catch (error) {
    if (error instanceof PartialCreate) throw error;
    const isDoubtful = error instanceof WaybillError && doubtful.has(error.code);
    if (!isDoubtful && !signal.aborted) throw error;
    const metadata = mapAt(inputs, "metadata");
    const id = idOf(textAt(metadata, "namespace"), textAt(metadata, "name") ?? "");
    throw new PartialCreate({
      id,
      outputs: inputs,
      reasons: [mask.clean(messageOf(error))],
      cause: maskedError(error, mask),
    });
  }
}

interface Attempt {
  readonly applying: Applying;
  readonly timeoutMs: number;
}

/** The object is there: whatever comes of it, the state must know. */
function notReady(result: CreateResult, outcome: Outcome, { applying, timeoutMs }: Attempt): PartialCreate {
  const { mask, signal } = applying;
  const title = titleOf(referenceOf(outcome.object));
  const seconds = Math.round(timeoutMs / 1_000);
  const ends = {
    failed: `${title} does not get ready`,
    timeout: `${title} is not ready after ${seconds} s`,
    cancelled: `${title} is not ready yet`,
    ready: title,
  };
  const reason = mask.clean(`${ends[outcome.state]}: ${outcome.reasons.join("; ")}`);
  // A program that crashes does so again; one that is slow or has no room may find time or room.
  const cause = outcome.state === "failed" ? new WaybillError("WORKLOAD_FAILED", reason) : signal.reason;
  return new PartialCreate({ ...result, reasons: [reason], ...(cause !== undefined && { cause }) });
}

/** An object that is on its way out takes what is applied to it along: it must be gone first. */
async function applyLiving(bound: Bound, applying: Applying): Promise<KubeObject> {
  const { inputs, type, signal, onProgress } = applying;
  const manifest = manifestOf(kindOf(type), inputs);
  for (;;) {
    const applied = await applyKnown(bound, manifest, { signal, onProgress });
    if (applied.metadata.deletionTimestamp === undefined) return applied;
    onProgress("waiting until the one before it is gone");
    const { timeoutMs } = wishesOf(inputs);
    const { uid } = applied.metadata;
    await untilGone(bound, { reference: referenceOf(applied), uid, signal, timeoutMs, onProgress });
  }
}

const kindRetryMs = 250;
const kindRetries = 20;

/** A kind whose definition was only just created is served a moment later. */
async function applyKnown(
  { cluster, clock }: Bound,
  manifest: KubeObject,
  { signal, onProgress }: Pick<Applying, "signal" | "onProgress">,
): Promise<KubeObject> {
  for (let tries = 1; ; tries++) {
    try {
      return await applyOver(cluster, manifest, { signal, onProgress });
    } catch (error) {
      const isNew =
        error instanceof WaybillError && error.code === "KIND_UNKNOWN" && !isBuiltInGroup(manifest.apiVersion);
      if (!isNew || tries > kindRetries) throw error;
      await clock.sleep(kindRetryMs, signal);
    }
  }
}

export interface Guess {
  readonly outputs: Properties;
  /** The server could not be asked: these are the inputs. */
  readonly isGuess: boolean;
}

/**
 * What creating would answer. An object that is to be replaced still has the name, and may refuse to become the new
 * one: then the server is asked about one of another name.
 */
export async function previewCreation(bound: Bound, wanted: Wanted): Promise<Guess> {
  try {
    return await previewInputs(bound, wanted);
  } catch (error) {
    const name = textAt(mapAt(wanted.inputs, "metadata"), "name");
    if (!isStatus(error, 422) || name === undefined) throw error;
    const renamed = withDryRunName(wanted.inputs);
    const { outputs, isGuess } = await previewInputs(bound, { ...wanted, inputs: renamed }).catch(() => {
      throw error;
    });
    return { outputs: { ...outputs, metadata: { ...mapAt(outputs, "metadata"), name } }, isGuess };
  }
}

interface Updated extends Wanted {
  readonly id: string;
}

/** What an update would answer, beside the object as it is now: others may have written to it since the last apply. */
export async function previewUpdate(bound: Bound, wanted: Updated): Promise<UpdateResult> {
  const { inputs } = wanted;
  const asked = Promise.all([liveObject(bound, wanted), askAboutPodsOf(bound, wanted)]);
  // What the object itself is refused for is said first.
  asked.catch(() => undefined);
  const { outputs, isGuess } = await previewOver(bound, wanted);
  const [live] = await asked;
  if (isGuess) return { outputs };
  return { outputs: previewOfUpdate(outputs), ...(live && { before: outputsOf(live, inputs) }) };
}

/** What only cannot be merged with what others made of it (a port that they renumbered) gives way to the apply. */
async function previewOver(bound: Bound, wanted: Wanted): Promise<Guess> {
  try {
    return await previewInputs(bound, wanted);
  } catch (error) {
    if (!isStatus(error, 422)) throw error;
    await previewInputs(bound, { ...wanted, inputs: withDryRunName(wanted.inputs) }).catch(() => {
      throw error;
    });
    return { outputs: previewOfInputs(kindOf(wanted.type), wanted.inputs), isGuess: true };
  }
}

/** By an apply that asks for nothing and is dry: whoever may write an object need not be allowed to read all of its kind. */
async function liveObject({ cluster }: Bound, { type, id, signal }: Updated): Promise<KubeObject | null> {
  const empty = { ...kindOf(type), metadata: parseId(id) };
  return cluster.apply(empty, { signal, dryRun: true, fieldManager: "waybill-preview" }).catch((error: unknown) => {
    if (error instanceof ClusterError) return null;
    throw error;
  });
}

export const askAboutPodsOf = ({ cluster }: Bound, { type, ...asking }: Wanted): Promise<void> =>
  askAboutPod(cluster, { ...asking, kind: kindOf(type) });

/** What applying would answer, by the server's own dry run: with its defaults, and refused where it would refuse. */
export async function previewInputs({ cluster }: Bound, wanted: Wanted): Promise<Guess> {
  const { type, inputs, signal, onProgress } = wanted;
  try {
    const live = await applyOver(cluster, manifestOf(kindOf(type), inputs), { signal, onProgress, dryRun: true });
    return { outputs: outputsOf(live, inputs), isGuess: false };
  } catch (error) {
    // Its namespace or its kind may be declared by the same program.
    const isEarly = isStatus(error, 404) || (error instanceof WaybillError && error.code === "KIND_UNKNOWN");
    if (!isEarly) throw error;
    return { outputs: previewOfInputs(kindOf(type), inputs), isGuess: true };
  }
}
