import type { Secret } from "../../core/secret.ts";
import type { IngressSettings } from "../../spec/ingress-settings.ts";
import type { CronJob } from "./schedules/cron-job.ts";
import type { PodResources } from "./sizes.ts";
import type { MadeSource } from "./sources/made-source.ts";

/** What a program for a cluster needs besides the workload: what only the server knows. Plain data. */
export interface Place {
  /** The target's name in the server's settings, and how its cluster is reached. */
  readonly target: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Which of the servers that share the cluster makes it: a label on each object. */
  readonly server: string;
  readonly namespace: string;
  /** Differs between any two revisions whose pods differ. */
  readonly revision: string;
  /** The workload's own image, or that of its runtime. */
  readonly image: string;
  readonly resources: PodResources;
  /** Null: the image brings everything. */
  readonly source: SourcePlace | null;
  /** Values by the secret's name. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** How many replicas a new revision starts with. */
  readonly replicas: number;
  /** Which of a deployment's components this is about; absent for one of a single part, and for the whole. */
  readonly component?: string;
  /** The components' own places, by name. */
  readonly components?: Readonly<Record<string, Place>>;
  /** The cluster's own entrance, by which requests come; absent where they come by the gateway. */
  readonly entrance?: EntrancePlace;
  /** Of a job whose schedules the cluster fires. */
  readonly cronJobs?: readonly CronJobPlace[];
  /** Why requests are led nowhere although the pods run; absent while they are. */
  readonly withdrawn?: string;
}

/** What leads an entrance of the cluster to a deployment, and to the server that it asks. */
export interface EntrancePlace {
  readonly settings: IngressSettings;
  /** Of the deployments' addresses. */
  readonly scheme: "http" | "https";
  /** Under which host names are, with the port where it is not the scheme's own. */
  readonly domain: string;
}

/** A schedule that the cluster fires. */
export interface CronJobPlace extends CronJob {
  /** As it is now: whether it fires is said beside applies. */
  readonly isSuspended: boolean;
  readonly command: string | null;
  /** The schedule's parameters, and what else runs of it find. */
  readonly env: Readonly<Record<string, string>>;
}

/** How a pod gets its files. */
export interface SourcePlace {
  readonly key: string;
  /** What an init container runs; it reads SOURCE_URL and SOURCE_HOST. */
  readonly fetch: readonly string[];
  /** A signed address, good for some days; the server renews it in its Secret. */
  readonly url: Secret;
  /** What the Host header must be, for the entrance to know the server. */
  readonly host: string;
  /** What is to be made of the tree first; null where it is fetched as Git has it. */
  readonly made: MadeSource | null;
}

/** What the objects that all of an environment's deployments share are made from. */
export interface EnvironmentPlace {
  readonly target: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly server: string;
  readonly namespace: string;
  readonly repository: string;
  readonly environment: string;
  /** Hard limits as Kubernetes names them; empty for none. */
  readonly quota: Readonly<Record<string, string>>;
  /** Whence the gateway comes: address ranges, or the namespace that it runs in. */
  readonly gateway: Peer;
  /** The cluster's own entrance: whence it comes, and where it reaches the server. */
  readonly entrance?: { readonly from: Peer; readonly serverUrl: string };
  /** The text of a `.dockerconfigjson`; null where images are pulled without a password. */
  readonly pullSecret: Secret | null;
}

/** Whence requests may come. */
export type Peer = { readonly cidrs: readonly string[] } | { readonly namespace: string };

/** Where a pod finds its source, and its own account for pulling images. */
export const sourceFolder = "/app";
export const serviceAccount = "waybill";
export const pullSecretName = "waybill-pull";
/** Annotations of a Deployment without replicas: since when it sleeps, and why its last start came to nothing. */
export const asleepSince = "waybill.dev/asleep-since";
export const wakeFailure = "waybill.dev/wake-failure";
/** Why it is not started although somebody asked: it stands in line for room. */
export const wakeWaits = "waybill.dev/wake-waits";
/** Marks the Secrets that hold a source's address, which the server renews. */
export const sourceLabel = "waybill.dev/source";
/** The annotation of these that says what the address leads to. */
export const sourceKey = "waybill.dev/source-key";
/** The Service that leads to Waybill itself, in each environment with an entrance: no deployment can have its name. */
export const serverService = "waybill--server";
