import type { Upstream } from "../../targets/route.ts";

export type PodsUpstream = Extract<Upstream, { readonly kind: "pods" }>;
/** A Service of one target's cluster. */
export type PodService = Pick<PodsUpstream, "target" | "namespace" | "service">;

/** Where the pods of Services are, as a cluster tells: looked up in memory, kept up to date from behind. */
export interface Endpoints {
  /** Addresses of pods that are ready now, without ports. Null: not known yet. */
  ready(service: PodService): readonly string[] | null;
  /** Whose pods these are, where they say so. */
  revision(service: PodService): string | null;
  /** Watches these Services and no others. */
  follow(services: readonly PodService[]): void;
  /** Calls back after each change; answers how to stop. */
  onChange(callback: () => void): () => void;
  close(): Promise<void>;
}

/** For a gateway without clusters. */
export const noEndpoints: Endpoints = {
  ready: () => null,
  revision: () => null,
  follow: () => undefined,
  onChange: () => () => undefined,
  close: () => Promise.resolve(),
};
