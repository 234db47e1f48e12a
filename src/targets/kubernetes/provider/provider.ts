import { createHash } from "node:crypto";
import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import type { CallContext, ConfigureRequest, Properties, Provider } from "../../../engine/provider.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { ConnectionOptions } from "../cluster/connection.ts";
import { makeSharedInformers, type SharedInformers } from "../cluster/shared-informers.ts";
import { wishesOf } from "./annotations.ts";
import { checkInputs } from "./check.ts";
import { deleteObject } from "./deletion.ts";
import { diffInputs } from "./diff.ts";
import { askAboutPodsOf, applyInputs, createInputs, previewCreation, previewUpdate, type Bound } from "./effects.ts";
import { idOf, manifestOf, mapAt, outputsOf, parseId, textAt } from "./manifest.ts";
import { maskedError, maskOf } from "./masking.ts";
import { previewOfCreate } from "./preview.ts";
import { readObject } from "./read.ts";
import { kindOf } from "./token.ts";

export interface KubernetesProviderDependencies {
  /** The cluster of a configuration; whoever hands this in closes them. */
  readonly connect: (options: ConnectionOptions) => Promise<Cluster>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface KubernetesProvider extends Provider {
  configure(request: ConfigureRequest): Promise<Provider>;
  /** Ends the watches. Operations in flight must have ended. */
  close(): Promise<void>;
}

// The next apply to a namespace usually comes soon, if one comes.
const watchLingerMs = 10_000;

/**
 * The package `kubernetes`: what a program with @pulumi/kubernetes declares, by server-side apply. Configuration:
 * `kubeconfig` (a path or its text), `context`, `namespace` (of objects that name none).
 */
export function makeKubernetesProvider(dependencies: KubernetesProviderDependencies): KubernetesProvider {
  const { connect, clock, log } = dependencies;
  const bound = new Map<string, Promise<Provider>>();
  const watches = new Map<Cluster, SharedInformers>();

  async function bind(inputs: Properties): Promise<Provider> {
    const [kubeconfig, context] = [textAt(inputs, "kubeconfig"), textAt(inputs, "context")];
    const cluster = await connect({ ...(kubeconfig && { kubeconfig }), ...(context && { context }) });
    const known = watches.get(cluster);
    const informers = known ?? makeSharedInformers({ cluster, clock, log, lingerMs: watchLingerMs });
    watches.set(cluster, informers);
    const namespace = textAt(inputs, "namespace") ?? cluster.namespace ?? "default";
    return boundProvider({ cluster, informers, clock, namespace });
  }
  const configure = ({ inputs }: ConfigureRequest): Promise<Provider> => {
    // The text of a kubeconfig is a secret, and long.
    const key = createHash("sha256").update(JSON.stringify(inputs)).digest("base64");
    const known = bound.get(key);
    if (known) return known;
    const binding = bind(inputs);
    bound.set(key, binding);
    binding.catch(() => bound.delete(key));
    return binding;
  };
  const unconfigured = (): Promise<never> => Promise.reject(new Error("the kubernetes provider was not configured"));
  return {
    previews: true,
    configure,
    create: unconfigured,
    update: unconfigured,
    delete: unconfigured,
    async close() {
      await Promise.all([...watches.values()].map((informers) => informers.close()));
      watches.clear();
      bound.clear();
    },
  };
}

function boundProvider(bound: Bound & { readonly namespace: string }): Provider {
  const { cluster, namespace } = bound;
  return {
    previews: true,
    check: (request) =>
      masked(request, [request.newInputs], () => checkInputs(request, { cluster, defaultNamespace: namespace })),
    diff: (request) => masked(request, [request.oldInputs, request.newInputs], () => diffInputs(request, cluster)),
    create: (request) =>
      masked(request, [request.inputs], async (mask) => {
        const { inputs, preview } = request;
        if (!preview) return createInputs(bound, { ...request, mask });
        const asked = askAboutPodsOf(bound, request);
        asked.catch(() => undefined);
        const made = await previewCreation(bound, request);
        await asked;
        return { id: idOfInputs(inputs), outputs: made.isGuess ? made.outputs : previewOfCreate(made.outputs, inputs) };
      }),
    update: (request) =>
      masked(request, [request.oldInputs, request.oldOutputs, request.newInputs], async (mask) => {
        const wanted = { ...request, inputs: request.newInputs };
        if (!request.preview) return applyInputs(bound, { ...wanted, mask });
        return previewUpdate(bound, { ...wanted, id: request.id });
      }),
    find: (request) =>
      masked(request, [request.inputs], async () => {
        const { inputs, type, signal } = request;
        const { apiVersion, kind, metadata } = manifestOf(kindOf(type), inputs);
        const { namespace: place, name } = metadata;
        const where = place === undefined ? {} : { namespace: place };
        const live = await cluster.get({ apiVersion, kind, name, ...where }, signal);
        // One that is on its way out is none that the next apply can build on.
        if (live === null || live.metadata.deletionTimestamp !== undefined) return null;
        return { id: idOf(live.metadata.namespace, name), outputs: outputsOf(live, inputs) };
      }),
    read: (request) => masked(request, [request.inputs, request.outputs], () => readObject(cluster, request)),
    delete: (request) =>
      masked(request, [request.inputs, request.outputs], () => {
        const { type, id, inputs, outputs, signal, onProgress } = request;
        return deleteObject(bound, {
          ...wishesOf(inputs),
          reference: { ...kindOf(type), ...parseId(id) },
          uid: textAt(mapAt(outputs, "metadata"), "uid"),
          signal,
          onProgress,
        });
      }),
  };
}

function idOfInputs(inputs: Properties): string {
  const metadata = mapAt(inputs, "metadata");
  return idOf(textAt(metadata, "namespace"), textAt(metadata, "name") ?? "");
}

/** Runs a call; what it throws says nothing that is secret. */
async function masked<Result>(
  context: CallContext,
  known: readonly Properties[],
  call: (mask: ReturnType<typeof maskOf>) => Promise<Result>,
): Promise<Result> {
  const mask = maskOf(context, ...known);
  try {
    return await call(mask);
  } catch (error) {
    throw maskedError(error, mask);
  }
}
