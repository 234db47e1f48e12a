import { posix } from "node:path";
import type { KubeObject } from "../cluster/object.ts";
import { environmentLabels } from "../names.ts";
import { serviceAccount, sourceFolder } from "../place.ts";
import { literal } from "../shell.ts";
import { keyOf, type BuildStep, type MadeSource } from "./made-source.ts";
import { fetchCommand, handOverCommand } from "./scripts.ts";

/** How a build reaches the server. */
export interface BuildAddresses {
  readonly fetch: string;
  readonly upload: string;
  /** The Host header for both. */
  readonly host: string;
}

export interface BuildObjects {
  readonly secret: KubeObject;
  readonly job: KubeObject;
}

const lifeSeconds = 60 * 60;
const keptSeconds = 600;
const userId = 1000;
// Of Kubernetes's names a build needs no more digits to be found again.
const nameDigits = 16;

/** Where a pod of the Job runs the command itself, whose lines are the build's log. */
export const buildContainer = "build";

/** The Job that builds a source: fetch, build, hand over, one after the other, each as little privileged as the program. */
export function buildObjects(source: MadeSource, step: BuildStep, addresses: BuildAddresses): BuildObjects {
  const name = `build-${keyOf(source).slice(0, nameDigits)}`;
  const { namespace } = source;
  const metadata = { name, namespace, labels: environmentLabels(source.stack) };
  const secret: KubeObject = {
    apiVersion: "v1",
    kind: "Secret",
    metadata,
    stringData: { fetch: addresses.fetch, upload: addresses.upload },
  };
  const job: KubeObject = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata,
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: lifeSeconds,
      ttlSecondsAfterFinished: keptSeconds,
      template: { metadata: { labels: metadata.labels }, spec: podOf(source, step, { name, host: addresses.host }) },
    },
  };
  return { secret, job };
}

function podOf(source: MadeSource, step: BuildStep, { name, host }: { name: string; host: string }) {
  const address = (variable: string, key: string) => [
    { name: variable, valueFrom: { secretKeyRef: { name, key } } },
    { name: "SOURCE_HOST", value: host },
    { name: "SOURCE_FOLDER", value: sourceFolder },
  ];
  const env = Object.entries({ HOME: "/tmp", TMPDIR: "/tmp", LANG: "C.UTF-8", CI: "true", ...step.env });
  const container = (own: object) => ({
    image: step.image,
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    resources: { requests: step.requests, limits: step.limits },
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [
      { name: "source", mountPath: sourceFolder },
      { name: "tmp", mountPath: "/tmp" },
    ],
    ...own,
  });
  return {
    restartPolicy: "Never",
    serviceAccountName: serviceAccount,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: userId,
      runAsGroup: userId,
      fsGroup: userId,
      seccompProfile: { type: "RuntimeDefault" },
    },
    initContainers: [
      container({
        name: "source",
        command: fetchCommand[step.runtime].map(literal),
        env: address("SOURCE_URL", "fetch"),
      }),
      container({
        name: buildContainer,
        command: ["/bin/sh", "-c", literal(step.command)],
        workingDir: posix.join(sourceFolder, source.workingDir),
        env: env.map(([variable, value]) => ({ name: variable, value: literal(value) })),
      }),
    ],
    containers: [
      container({
        name: "upload",
        command: handOverCommand(step.runtime).map(literal),
        env: address("UPLOAD_URL", "upload"),
      }),
    ],
    volumes: [
      { name: "source", emptyDir: {} },
      { name: "tmp", emptyDir: {} },
    ],
  };
}
