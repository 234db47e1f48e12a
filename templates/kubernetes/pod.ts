import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { input } from "@pulumi/kubernetes/types/index.js";
import { secretFileVariable } from "../../src/targets/local/processes/environment.ts";
import { serviceAccount, sourceFolder, type Place } from "../../src/targets/kubernetes/place.ts";
import { literal, shellText } from "../../src/targets/kubernetes/shell.ts";
import { portsOf } from "../local/parts.ts";
import type { Alias } from "./components.ts";
import { mountedFiles, type PodInputs, type Programmed } from "./parts.ts";

type PodSpec = input.core.v1.PodSpec;
type Container = input.core.v1.Container;
type EnvVar = input.core.v1.EnvVar;
type Mount = input.core.v1.VolumeMount;

interface Pod {
  readonly workload: Programmed;
  readonly place: Place;
  readonly inputs: PodInputs;
  readonly aliases: readonly Alias[];
}

// Long enough for every entrance to hear that the pod takes no more requests.
const leaveSeconds = 5;
// Of the images of Node.js and Python, and of most others, the first that is nobody's.
export const userId = 1000;

/** One replica: restricted as https://kubernetes.io/docs/concepts/security/pod-security-standards/ says, files read-only. */
export function podSpec(pod: Pod): PodSpec {
  const { workload, place, inputs, aliases } = pod;
  const { spec } = workload;
  const { resources } = place;
  const isService = spec.kind === "service";
  return {
    serviceAccountName: serviceAccount,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    ...(aliases.length > 0 && { hostAliases: aliases.map((alias) => ({ ...alias })) }),
    // The program is then not process 1, which is deaf to signals that it does not handle itself.
    shareProcessNamespace: true,
    terminationGracePeriodSeconds: spec.stopTimeoutSeconds + (isService ? leaveSeconds : 0),
    securityContext: {
      runAsNonRoot: true,
      seccompProfile: { type: "RuntimeDefault" },
      // An image of one's own says itself who runs it.
      ...(spec.source.from !== "image" && { runAsUser: userId, runAsGroup: userId, fsGroup: userId }),
    },
    ...(resources.tolerations.length > 0 && { tolerations: resources.tolerations.map((one) => ({ ...one })) }),
    ...(resources.nodeRequirements.length > 0 && { affinity: nodeAffinity(place) }),
    initContainers: place.source === null ? [] : [fetchContainer(pod)],
    containers: [mainContainer(pod)],
    volumes: [
      { name: "tmp", emptyDir: {} },
      ...(place.source === null ? [] : [{ name: "source", emptyDir: {} }]),
      ...(inputs.files !== null ? [{ name: "files", configMap: { name: inputs.files } }] : []),
      ...secretVolumes(pod),
    ],
  };
}

function nodeAffinity({ resources }: Place): input.core.v1.Affinity {
  const matchExpressions = resources.nodeRequirements.map(({ key, values }) => ({
    key,
    operator: "In",
    values: [...values],
  }));
  return {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } },
  };
}

export const containerSecurity: input.core.v1.SecurityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ["ALL"] },
};

/** Brings the files before anything runs; asks for little, since a pod's needs are the larger of the two. */
function fetchContainer({ place, inputs }: Pod): Container {
  return {
    name: "source",
    image: place.image,
    command: (place.source?.fetch ?? []).map(literal),
    env: [
      { name: "SOURCE_URL", valueFrom: { secretKeyRef: inputs.source ?? { key: "url" } } },
      { name: "SOURCE_HOST", value: place.source?.host ?? "" },
      { name: "SOURCE_FOLDER", value: sourceFolder },
    ],
    resources: {
      requests: { cpu: place.resources.requests["cpu"] ?? "100m", memory: "64Mi" },
      limits: { memory: "512Mi" },
    },
    securityContext: containerSecurity,
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [
      { name: "source", mountPath: sourceFolder },
      { name: "tmp", mountPath: "/tmp" },
    ],
  };
}

function mainContainer(pod: Pod): Container {
  const { workload, place } = pod;
  const { spec } = workload;
  const workingDir = workingFolder(workload);
  return {
    name: spec.name,
    image: place.image,
    ...(spec.command !== null && { command: ["/bin/sh", "-c", literal(shellText(spec.startScript, spec.command))] }),
    ...(workingDir !== null && { workingDir }),
    env: [...environment(pod)],
    resources: { requests: { ...place.resources.requests }, limits: { ...place.resources.limits } },
    securityContext: containerSecurity,
    // The last lines of a program that failed are then part of its status.
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [...mounts(pod)],
    ...(spec.kind === "service" && serving(spec)),
  };
}

/** Null: the image's own. */
function workingFolder({ spec }: Programmed): string | null {
  if (spec.source.from !== "image") return posix.join(sourceFolder, spec.workingDir);
  return spec.workingDir === "." ? null : posix.join("/", spec.workingDir);
}

function* environment({ workload, place, inputs }: Pod): Generator<EnvVar> {
  const { spec, stack } = workload;
  yield* Object.entries({
    HOME: "/tmp",
    TMPDIR: "/tmp",
    LANG: "C.UTF-8",
    // Python keeps output in a buffer when it is no terminal: logs would come minutes late, or never after a crash.
    PYTHONUNBUFFERED: "1",
    ...spec.env,
  }).map(([name, value]) => ({ name, value: literal(value) }));
  for (const use of spec.secrets) {
    if ("file" in use) yield { name: secretFileVariable(use.name), value: literal(use.file) };
    else yield { name: use.env, valueFrom: { secretKeyRef: secretKey(use, inputs) } };
  }
  if (spec.kind === "service") {
    yield { name: "PORT", value: String(spec.port) };
    for (const port of portsOf(spec)) yield { name: `PORT_${port}`, value: String(port) };
  }
  yield { name: "WAYBILL_REPOSITORY", value: stack.repository };
  yield { name: "WAYBILL_ENVIRONMENT", value: stack.environment };
  yield { name: "WAYBILL_DEPLOYMENT", value: stack.deployment };
  if (place.component !== undefined) yield { name: "WAYBILL_COMPONENT", value: place.component };
  // A restart that somebody asked for is another revision by this.
  if (workload.restart !== null) yield { name: "WAYBILL_RESTART", value: workload.restart };
}

function* mounts({ workload, place }: Pod): Generator<Mount> {
  yield { name: "tmp", mountPath: "/tmp" };
  if (place.source !== null) yield { name: "source", mountPath: sourceFolder, readOnly: true };
  const folder = workingFolder(workload) ?? "/";
  for (const { key, path } of mountedFiles(workload)) {
    yield { name: "files", mountPath: posix.resolve(folder, path), subPath: key, readOnly: true };
  }
  for (const use of workload.spec.secrets) {
    if (!("file" in use)) continue;
    const name = use.key === undefined ? "secrets" : volumeOf(use.name);
    yield { name, mountPath: posix.resolve("/", use.file), subPath: use.key ?? use.name, readOnly: true };
  }
}

type SecretUse = Programmed["spec"]["secrets"][number];

/** One of ours holds all values by their names; with a key, it is one that others have put there. */
const secretKey = ({ name, key }: SecretUse, { secret }: PodInputs): input.core.v1.SecretKeySelector =>
  key === undefined ? { ...(secret !== null && { name: secret }), key: name } : { name, key };

const volumeOf = (secret: string): string => `secret-${createHash("sha256").update(secret).digest("hex").slice(0, 10)}`;

function secretVolumes({ workload, inputs }: Pod): input.core.v1.Volume[] {
  const files = workload.spec.secrets.filter((use) => "file" in use);
  const others = new Set(files.filter(({ key }) => key !== undefined).map(({ name }) => name));
  const own = files.some(({ key }) => key === undefined) ? inputs.secret : null;
  return [
    ...(own !== null ? [{ name: "secrets", secret: { secretName: own } }] : []),
    ...[...others].map((secretName) => ({ name: volumeOf(secretName), secret: { secretName } })),
  ];
}

type Service = Extract<Programmed["spec"], { kind: "service" }>;

/**
 * As a Service has them. Gateway API's controllers and Traefik's speak HTTP/2 in the clear to a port that says so:
 * https://kubernetes.io/docs/concepts/services-networking/service/#application-protocol
 */
export const servicePortsOf = (spec: Service) =>
  portsOf(spec).map((port) => {
    const isGrpc = spec.routes.some((route) => route.port === port && route.protocol === "grpc");
    const ports = { name: `p${port}`, port, targetPort: port, protocol: "TCP" };
    return isGrpc ? { ...ports, appProtocol: "kubernetes.io/h2c" } : ports;
  });

function serving(spec: Service): Partial<Container> {
  const { health, port, routes } = spec;
  const isHttp = health.path !== null && routes[0]?.protocol !== "grpc";
  const look = {
    ...(isHttp ? { httpGet: { path: health.path ?? "/", port } } : { tcpSocket: { port } }),
    timeoutSeconds: Math.max(1, Math.ceil(health.timeoutSeconds)),
  };
  return {
    ports: portsOf(spec).map((number) => ({ name: `p${number}`, containerPort: number })),
    // Asked each second at first, so that a new revision does not wait for its turn.
    startupProbe: { ...look, periodSeconds: 1, failureThreshold: Math.max(1, Math.ceil(health.startTimeoutSeconds)) },
    readinessProbe: { ...look, periodSeconds: Math.max(1, Math.ceil(health.intervalSeconds)), failureThreshold: 3 },
    lifecycle: { preStop: { sleep: { seconds: leaveSeconds } } },
  };
}
