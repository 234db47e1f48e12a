import type { IncomingMessage } from "node:http";
import { systemClock, type Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import { answerOf } from "./answer.ts";
import { orNull, orNullAt } from "./cluster-error.ts";
import { openConnection, type ConnectionOptions } from "./connection.ts";
import { groupPath, makeDiscovery, type Resource, type ResourceList } from "./discovery.ts";
import {
  titleOf,
  type KindName,
  type KubeList,
  type KubeObject,
  type ObjectReference,
  type WatchEvent,
} from "./object.ts";
import { makeTransport, type Transport } from "./transport.ts";
import { eventsOf } from "./watch.ts";
import { writesOver, type PathOf } from "./writes.ts";

/** Objects of one kind: of a namespace, or of the whole cluster without one. */
export interface Selection extends KindName {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ApplyOptions {
  readonly signal: AbortSignal;
  /** Nothing is kept; what would be is answered. */
  readonly dryRun?: boolean;
  /** Default `waybill`. */
  readonly fieldManager?: string;
  /** Default true: fields that another manager has are taken over. */
  readonly force?: boolean;
}

export interface Patch {
  readonly op: "replace" | "add";
  /** RFC 6901: `/spec/ports`. */
  readonly path: string;
  readonly value: unknown;
}

export interface PatchOptions extends Required<Pick<ApplyOptions, "signal" | "fieldManager">> {
  /** Another part of the object than its own fields. */
  readonly subresource?: "status";
}

export interface DeleteOptions {
  readonly signal: AbortSignal;
  /** Only the object that has this uid; another of the same name stays. */
  readonly uid?: string;
  /** Default `Background`: the object goes at once, what it owns after it. */
  readonly propagation?: "Background" | "Foreground" | "Orphan";
  readonly graceSeconds?: number;
}

/**
 * `absent`: it was not there, or is another one than `uid` says. `gone`: it was, and is no more. `going`: it is being
 * ended, or something holds it back; whether it is gone, a watch will say.
 */
export type DeleteOutcome = "absent" | "gone" | "going";

/**
 * One cluster's API. Calls that fail on the way, are told to wait (429) or meet a server error are made again for up to
 * a minute, and then throw. Errors: CLUSTER_UNREACHABLE, CLUSTER_BUSY, CLUSTER_CONFLICT, CLUSTER_FORBIDDEN,
 * CLUSTER_REFUSED (ClusterError where the API server answered), KIND_UNKNOWN.
 */
export interface Cluster {
  /** `host:port` of the API server. */
  readonly server: string;
  /** The namespace of the kubeconfig's context. */
  readonly namespace: string | undefined;
  /** Null: this cluster serves no such kind. Kept once found. */
  resource(name: KindName, signal: AbortSignal): Promise<Resource | null>;
  /** Server-side apply: creates it or makes the fields given as they are given. */
  apply(object: KubeObject, options: ApplyOptions): Promise<KubeObject>;
  /** Null: there is one of this name, which stays as it is. */
  create(object: KubeObject, signal: AbortSignal): Promise<KubeObject | null>;
  /** By RFC 6902; null: it is not there. */
  patch(reference: ObjectReference, changes: readonly Patch[], options: PatchOptions): Promise<KubeObject | null>;
  get<Kind extends KubeObject = KubeObject>(reference: ObjectReference, signal: AbortSignal): Promise<Kind | null>;
  list<Kind extends KubeObject = KubeObject>(selection: Selection, signal: AbortSignal): Promise<KubeList<Kind>>;
  delete(reference: ObjectReference, options: DeleteOptions): Promise<DeleteOutcome>;
  /**
   * What happens after `resourceVersion`, until the API server ends it (after five minutes) or the signal aborts.
   * Throws ClusterError 410 when that is too long ago. makeInformer does all that for you.
   */
  watch<Kind extends KubeObject = KubeObject>(selection: Selection, from: WatchFrom): AsyncIterable<WatchEvent<Kind>>;
  /** Anything else that is read as it comes: `/api/v1/namespaces/N/pods/P/log?follow=true`. */
  stream(path: string, signal: AbortSignal): Promise<IncomingMessage>;
  close(): void;
}

export interface WatchFrom {
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
}

export interface ClusterOptions extends ConnectionOptions {
  readonly clock?: Clock;
  /** How long a call is tried again while the API server is away or overloaded. */
  readonly patienceMs?: number;
  /** Asked before each call that changes something, which is not made where it rejects. */
  readonly mayChange?: () => Promise<void>;
}

const defaultPatienceMs = 60_000;
// Enough for one answer of a few megabytes; the rest comes by `continue`.
const pageSize = 500;
// The API server ends a watch after this; bookmarks come every minute, so that going on is cheap.
const watchSeconds = 300;

/** Connects lazily: this fails only when the kubeconfig cannot be used (SETTINGS_INVALID). */
export async function openCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { clock = systemClock, patienceMs = defaultPatienceMs, mayChange } = options;
  const connection = await openConnection(options, clock);
  return clusterOver(makeTransport({ connection, clock, patienceMs, ...(mayChange && { mayChange }) }), connection);
}

type Ends = Pick<Cluster, "namespace" | "close"> & { readonly server: URL };

function clusterOver(transport: Transport, { server, namespace, close }: Ends): Cluster {
  const discovery = makeDiscovery(async (path, signal) => {
    const body = await orNull(transport.call({ method: "GET", path, doing: "discover kinds", signal }));
    return body === null ? null : (answerOf(body) as ResourceList);
  });
  const pathOf: PathOf = async (selection, signal) => {
    const resource = await discovery.find(selection, signal);
    if (resource === null) throw unknownKind(selection);
    return objectPath(resource, selection);
  };
  return {
    server: server.host,
    namespace,
    close,
    resource: (name, signal) => discovery.find(name, signal),
    ...writesOver(transport, pathOf),
    async get<Kind extends KubeObject>(reference: ObjectReference, signal: AbortSignal) {
      const path = await pathOf(reference, signal);
      const body = await orNull(transport.call({ method: "GET", path, doing: `get ${titleOf(reference)}`, signal }));
      return body === null ? null : (answerOf(body) as Kind);
    },
    async list<Kind extends KubeObject>(selection: Selection, signal: AbortSignal) {
      return listAll<Kind>(transport, { selection, path: await pathOf(selection, signal), signal });
    },
    async *watch<Kind extends KubeObject>(selection: Selection, { resourceVersion, signal }: WatchFrom) {
      const query = new URLSearchParams({
        ...selectors(selection),
        watch: "true",
        allowWatchBookmarks: "true",
        resourceVersion,
        timeoutSeconds: String(watchSeconds),
      });
      const path = `${await pathOf(selection, signal)}?${query.toString()}`;
      yield* eventsOf<Kind>(transport, { path, doing: `watch ${selection.kind}`, signal, lifeSeconds: watchSeconds });
    },
    stream: (path, signal) => transport.stream({ method: "GET", path, doing: `read ${path.split("?")[0]}`, signal }),
  };
}

function unknownKind({ apiVersion, kind }: KindName): WaybillError {
  return new WaybillError(
    "KIND_UNKNOWN",
    `this cluster serves no kind "${kind}" of ${apiVersion}; install its definition first, or correct apiVersion and kind`,
  );
}

function objectPath(
  { apiVersion, plural, isNamespaced }: Resource,
  at: Selection & { readonly name?: string },
): string {
  const { namespace, name } = at;
  const inNamespace = isNamespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${groupPath(apiVersion)}${inNamespace}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

const selectors = ({ labelSelector, fieldSelector }: Selection): Record<string, string> => ({
  ...(labelSelector !== undefined && { labelSelector }),
  ...(fieldSelector !== undefined && { fieldSelector }),
});

interface Listing {
  readonly selection: Selection;
  readonly path: string;
  readonly signal: AbortSignal;
}

async function listAll<Kind extends KubeObject>(transport: Transport, listing: Listing): Promise<KubeList<Kind>> {
  const { selection, path, signal } = listing;
  const { apiVersion, kind } = selection;
  const items: Kind[] = [];
  for (let next = ""; ;) {
    const query = new URLSearchParams({ ...selectors(selection), limit: String(pageSize) });
    if (next !== "") query.set("continue", next);
    const wanted = `${path}?${query.toString()}`;
    const body = await orNullAt(410, transport.call({ method: "GET", path: wanted, doing: `list ${kind}`, signal }));
    if (body === null) {
      // The pages were read too slowly: from the start again.
      items.length = 0;
      next = "";
      continue;
    }
    const page = answerOf(body) as {
      readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
      readonly items?: readonly Omit<Kind, "apiVersion" | "kind">[];
    };
    // In a list, the items do not say what they are.
    for (const item of page.items ?? []) items.push({ ...item, apiVersion, kind } as Kind);
    next = page.metadata.continue ?? "";
    if (next === "") return { items, resourceVersion: page.metadata.resourceVersion };
  }
}
