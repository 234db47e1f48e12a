import { posix } from "node:path";
import { podSpec, containerSecurity, userId } from "../../../../templates/kubernetes/pod.ts";
import { mountedFiles } from "../../../../templates/kubernetes/parts.ts";
import type { WorkloadOf } from "../../../../templates/local/parts.ts";
import type { Secret } from "../../../core/secret.ts";
import type { RunOrder } from "../../run-executor.ts";
import type { KubeObject, OwnerReference } from "../cluster/object.ts";
import { environmentLabels, labels, namespaceOf, serverLabel } from "../names.ts";
import type { Place } from "../place.ts";
import type { Runtime } from "../runtimes.ts";
import { literal, runText } from "../shell.ts";
import { uploadCommand } from "../sources/scripts.ts";
import { runKey, type RunStart } from "../sources/signature.ts";

/** What one start of a run is in a cluster. All of it goes with the Job. */
export interface RunObjects {
  readonly secret: KubeObject;
  /** Null where there is none. */
  readonly files: KubeObject | null;
  readonly job: KubeObject;
}

/** Who hands over what a run leaves, and where to. */
export interface Keeper {
  readonly image: string;
  readonly runtime: Runtime;
  /** A signed address of the server. */
  readonly url: Secret;
  /** The Host header for it. */
  readonly host: string;
}

export interface RunFacts {
  /** `run` empty: of whichever run a CronJob starts. */
  readonly order: Pick<RunOrder, "run" | "attempt" | "command" | "env" | "secrets">;
  readonly job: WorkloadOf<"job">;
  readonly place: Place;
  /** Values of the workload's own secrets by name, and of parameters' by their variables. */
  readonly values: ReadonlyMap<string, Secret>;
  /** Null: nobody keeps what it leaves. */
  readonly keeper: Keeper | null;
}

/** Where a run's pod has what is handed over: `result/value.json`, `result/peak`, `output/…`. */
const leftFolder = "/waybill";
/** The container that stays until what the program left is handed over. */
export const keeperContainer = "keeper";

// A server that is away for as long as this finds what runs have left; one that is away longer, how they ended.
const handOverSeconds = 3_600;
const keptSeconds = 24 * 3_600;
// For pulling the image and fetching the source, which count as well.
const slackSeconds = 3_600;

export const referenceTo = (start: RunStart, namespace: string) => ({ namespace, name: runKey(start) });

export function runObjects(facts: RunFacts): RunObjects {
  const { order, job, place, values, keeper } = facts;
  const { stack } = job;
  const name = runKey(order);
  const own = {
    [labels.repository]: stack.repository,
    [labels.environment]: stack.environment,
    [labels.job]: stack.deployment,
    [labels.run]: order.run,
    [labels.attempt]: String(order.attempt),
    ...serverLabel(place.server),
  };
  const metadata = { name, namespace: namespaceOf(stack) };
  const files = mountedFiles(job);
  const addresses = {
    ...(place.source && { SOURCE_URL: place.source.url.reveal() }),
    ...(keeper && { UPLOAD_URL: keeper.url.reveal() }),
  };
  const stringData = {
    ...Object.fromEntries([...values].map(([key, value]) => [key, value.reveal()])),
    ...addresses,
  };
  const all = { ...environmentLabels(stack), ...own };
  return {
    // Not marked as one that Waybill manages: what is, is looked at whenever it changes.
    secret: { apiVersion: "v1", kind: "Secret", metadata: { ...metadata, labels: own }, stringData },
    files:
      files.length === 0
        ? null
        : {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: { ...metadata, labels: own },
            data: Object.fromEntries(files.map(({ key, path }) => [key, job.spec.files[path]?.content ?? ""])),
          },
    job: {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { ...metadata, labels: all },
      spec: {
        backoffLimit: 0,
        ttlSecondsAfterFinished: keptSeconds,
        template: { metadata: { labels: all }, spec: runPod(facts, name) },
      },
    },
  };
}

export const ownedBy = (object: KubeObject, { apiVersion, kind, metadata }: KubeObject): KubeObject => {
  const owner: OwnerReference & { readonly apiVersion: string } = {
    apiVersion,
    kind,
    name: metadata.name,
    uid: metadata.uid ?? "",
  };
  return { ...object, metadata: { ...object.metadata, ownerReferences: [owner] } };
};

interface PlainContainer {
  readonly name: string;
  readonly env: readonly object[];
  readonly volumeMounts: readonly object[];
}

interface PlainPod {
  readonly securityContext: object;
  readonly initContainers: readonly PlainContainer[];
  readonly containers: readonly [PlainContainer];
  readonly volumes: readonly object[];
}

/** A service's pod, but for its end: it ends once, and what it leaves is handed over. */
export function runPod(facts: RunFacts, name: string): object {
  const { order, job, place, keeper } = facts;
  const { timeoutSeconds, stopTimeoutSeconds, startScript } = job.spec;
  const spec = { ...job.spec, env: { ...job.spec.env, ...order.env } };
  const inputs = { secret: name, files: name, source: { name, key: "SOURCE_URL" } };
  const used = { ...inputs, files: mountedFiles(job).length === 0 ? null : name };
  // Of plain data it makes plain data.
  const pod = podSpec({ workload: { ...job, spec }, place, inputs: used, aliases: [] }) as unknown as PlainPod;
  const [main] = pod.containers;
  const peakFile = `${leftFolder}/result/peak`;
  const { command } = order;
  const text = command && runText({ startScript, command, stopSeconds: stopTimeoutSeconds, peakFile });
  // An image's own command is ended by the kubelet alone: no longer time can be given to what comes after it.
  const graceSeconds = Math.ceil(stopTimeoutSeconds) + (text && keeper ? handOverSeconds : 0);
  return {
    ...pod,
    restartPolicy: "Never",
    terminationGracePeriodSeconds: graceSeconds,
    // The server ends it in time; this is for when there is none.
    ...(timeoutSeconds !== null && {
      activeDeadlineSeconds: Math.ceil(timeoutSeconds + stopTimeoutSeconds) + slackSeconds,
    }),
    // Whoever hands over what an image's own user has written must be able to read it.
    securityContext: { ...pod.securityContext, fsGroup: userId },
    initContainers: [...pod.initContainers, ...(keeper ? [keeperOf(keeper, name)] : [])],
    containers: [
      {
        ...main,
        ...(text && { command: ["/bin/sh", "-c", literal(text)] }),
        env: [...main.env, ...runVariables(order, name)],
        volumeMounts: [...main.volumeMounts, ...leftMounts],
      },
    ],
    volumes: [...pod.volumes, { name: "result", emptyDir: {} }, { name: "output", emptyDir: {} }],
  };
}

const leftMounts = [
  { name: "result", mountPath: posix.join(leftFolder, "result") },
  { name: "output", mountPath: posix.join(leftFolder, "output") },
];

// A CronJob makes its Jobs all alike: the run is called what the Job is.
const jobNameField = "metadata.labels['batch.kubernetes.io/job-name']";
const firedVariables = [{ name: "WAYBILL_RUN", valueFrom: { fieldRef: { fieldPath: jobNameField } } }];

function runVariables({ run, attempt, secrets }: RunFacts["order"], name: string): readonly object[] {
  return [
    ...secrets.flatMap(({ env }) =>
      env === undefined ? [] : [{ name: env, valueFrom: { secretKeyRef: { name, key: env } } }],
    ),
    ...(run === "" ? firedVariables : [{ name: "WAYBILL_RUN", value: run }]),
    ...(run === "" ? [] : [{ name: "WAYBILL_ATTEMPT", value: String(attempt) }]),
    { name: "WAYBILL_RESULT", value: `${leftFolder}/result/value.json` },
    { name: "WAYBILL_OUTPUT", value: `${leftFolder}/output` },
  ];
}

// Waits without a program in memory: the kubelet says when the program has ended (KEP-753), perhaps before it is waited for.
const keeperText = `ended=
trap ended=1 TERM
until [ "$ended" ]; do sleep 3 & wait $!; done
until "$@"; do [ $? = 1 ] || exit 1; sleep 2; done`;

/** Beside the program from before its start until after its end. */
function keeperOf({ image, runtime, host }: Keeper, name: string): object {
  return {
    name: keeperContainer,
    image,
    restartPolicy: "Always",
    command: ["/bin/sh", "-c", literal(keeperText), "keeper", ...uploadCommand[runtime].map(literal)],
    env: [
      { name: "UPLOAD_URL", valueFrom: { secretKeyRef: { name, key: "UPLOAD_URL" } } },
      { name: "SOURCE_HOST", value: host },
      { name: "SOURCE_FOLDER", value: leftFolder },
      { name: "HOME", value: "/tmp" },
    ],
    resources: { requests: { cpu: "10m", memory: "16Mi" }, limits: { memory: "256Mi" } },
    // An image of one's own runs as somebody else; this one would run as root.
    securityContext: { ...containerSecurity, runAsUser: userId, runAsGroup: userId },
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [{ name: "tmp", mountPath: "/tmp" }, ...leftMounts],
  };
}
