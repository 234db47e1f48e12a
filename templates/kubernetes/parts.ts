import * as pulumi from "@pulumi/pulumi";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import { Provider } from "@pulumi/kubernetes/provider.js";
import { componentName, deploymentLabels, labels, serverLabel } from "../../src/targets/kubernetes/names.ts";
import { sourceKey, sourceLabel, type Place } from "../../src/targets/kubernetes/place.ts";
import type { WorkloadOf } from "../local/parts.ts";
import type { Alias } from "./components.ts";
import { Source } from "./resources.ts";

export type Running = WorkloadOf<"service" | "worker">;
/** What runs in a pod. */
export type Programmed = WorkloadOf<"service" | "worker" | "job">;

type Reach = Pick<Place, "target" | "kubeconfig" | "context" | "namespace">;
const providers = new WeakMap<Reach, Provider>();

/** The cluster that a program's objects are made in: one for each run, which has its place for itself. */
export function clusterProvider(place: Reach): Provider {
  const { target, kubeconfig, context, namespace } = place;
  const known = providers.get(place);
  if (known) return known;
  const provider = new Provider(target, {
    namespace,
    ...(kubeconfig !== undefined && { kubeconfig }),
    ...(context !== undefined && { context }),
  });
  providers.set(place, provider);
  return provider;
}

/** Name, namespace and labels of an object of one revision. */
export function metadataOf(workload: Programmed, place: Place, name: string) {
  const { namespace, server } = place;
  return { name, namespace, labels: { ...podLabels(workload, place), ...serverLabel(server) } };
}

/** Labels of its pods: what makes other labels of them makes other pods. */
export const podLabels = ({ stack }: Programmed, place: Place): Record<string, string> => ({
  ...deploymentLabels(stack),
  [labels.revision]: place.revision,
  ...componentLabel(place),
});

/** None where the deployment is of a single part. */
export const componentLabel = ({ component }: Place): Record<string, string> =>
  component === undefined ? {} : { [labels.component]: component };

/** What the pods of one revision read: made before they start, gone after the last of them. */
export interface Inputs {
  /** Null where there is nothing of the kind. */
  readonly secret: Secret | null;
  readonly files: ConfigMap | null;
  readonly source: Secret | null;
  readonly made: Source | null;
}

export interface Making {
  readonly provider: Provider;
  /** Of the components that it may call by name. */
  readonly aliases?: readonly Alias[];
  /** What other components of the revision have had made of a source, by its key. */
  readonly sources?: Map<string, Source>;
}

export function makeInputs(workload: Programmed, place: Place, { provider, sources = new Map() }: Making): Inputs {
  const { spec } = workload;
  const name = revisionName(workload, place);
  const values = [...place.secrets].map(([key, value]) => [key, pulumi.secret(value.reveal())] as const);
  const files = mountedFiles(workload);
  return {
    secret:
      values.length === 0
        ? null
        : new Secret(
            `${name}-secrets`,
            { metadata: metadataOf(workload, place, `${name}-secrets`), stringData: Object.fromEntries(values) },
            { provider },
          ),
    files:
      files.length === 0
        ? null
        : new ConfigMap(
            `${name}-files`,
            {
              metadata: metadataOf(workload, place, `${name}-files`),
              data: Object.fromEntries(files.map(({ key, path }) => [key, spec.files[path]?.content ?? ""])),
            },
            { provider },
          ),
    source: makeSourceSecret(workload, place, provider),
    made: madeSource(place, sources),
  };
}

/** What a pod reads, by name; null where there is nothing of the kind. */
export interface PodInputs {
  /** A Secret with the values of the workload's own secrets, by their names. */
  readonly secret: pulumi.Input<string> | null;
  readonly files: pulumi.Input<string> | null;
  /** A Secret with the address of its source, and where it stands in there. */
  readonly source: { readonly name: pulumi.Input<string>; readonly key: string } | null;
}

/** The inputs' names, as a pod refers to them. */
export const namesOf = ({ secret, files, source }: Inputs): PodInputs => ({
  secret: secret && secret.metadata.name,
  files: files && files.metadata.name,
  source: source && { name: source.metadata.name, key: "url" },
});

/** Named by what it is: another revision, or another component, of the same source makes none. */
export function madeSource({ source }: Place, sources: Map<string, Source> = new Map()): Source | null {
  if (!source?.made) return null;
  const made = sources.get(source.key) ?? new Source(`source-${source.key.slice(0, 12)}`, source.made);
  sources.set(source.key, made);
  return made;
}

/** The address ends, and pods start at any time: the server writes a new one into it, and programs leave that alone. */
function makeSourceSecret(workload: Programmed, place: Place, provider: Provider): Secret | null {
  const { source } = place;
  if (source === null) return null;
  const name = `${revisionName(workload, place)}-source`;
  const metadata = metadataOf(workload, place, name);
  return new Secret(
    name,
    {
      metadata: {
        ...metadata,
        labels: { ...metadata.labels, [sourceLabel]: "true" },
        annotations: { [sourceKey]: source.key },
      },
      stringData: { url: pulumi.secret(source.url.reveal()) },
    },
    { provider, ignoreChanges: ["stringData", "data"] },
  );
}

export function revisionName({ stack }: Programmed, { revision, component }: Place): string {
  const name = `${stack.deployment}-${revision}`;
  return component === undefined ? name : componentName(name, component);
}

/** Files that are mounted one by one. Those of a source lie in it, unless they are meant for elsewhere. */
export function mountedFiles({
  spec,
}: Pick<Programmed, "spec">): readonly { key: string; path: string; mode: number }[] {
  const isInSource = (path: string): boolean => spec.source.from !== "image" && !path.startsWith("/");
  return Object.entries(spec.files).flatMap(([path, { mode }], index) =>
    isInSource(path) ? [] : [{ key: `file-${index}`, path, mode: Number.parseInt(mode, 8) }],
  );
}
