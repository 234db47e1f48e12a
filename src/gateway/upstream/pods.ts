import type { Clock } from "../../core/clock.ts";
import type { Upstream } from "../../targets/route.ts";
import type { InFlight } from "../in-flight.ts";
import type { Endpoint } from "../mirror.ts";
import { noPods } from "../notice/answers.ts";
import type { Notice } from "../notice/notice.ts";
import type { Endpoints, PodsUpstream } from "./endpoints.ts";

/** Which pod a request goes to. */
export interface PodChoice {
  /** The ready pod with the fewest requests under way, one that this request has not failed at before others. Null: none. */
  choose(upstream: PodsUpstream, tried: { readonly failedAt: readonly Endpoint[] }): Endpoint | null;
  isThere(upstream: PodsUpstream): boolean;
  /** Calls back when pods came or went; answers how to stop. */
  onChange(callback: () => void): () => void;
  /** Waits for a ready pod. Null: there is one, or the client is gone; else the answer to give. */
  appear(upstream: Upstream, gone: AbortSignal): Promise<Notice | null>;
}

interface Parts {
  readonly endpoints: Endpoints;
  readonly inFlight: Pick<InFlight, "count">;
  readonly clock: Clock;
}

// While one revision's pods take over from another's, there may be none for a moment.
const patienceMs = 5_000;

export function makePodChoice({ endpoints, inFlight, clock }: Parts): PodChoice {
  let turn = 0;
  const isThere = (upstream: PodsUpstream): boolean => (endpoints.ready(upstream) ?? []).length > 0;
  return {
    isThere,
    onChange: (callback) => endpoints.onChange(callback),
    choose(upstream, { failedAt }) {
      const addresses = endpoints.ready(upstream) ?? [];
      const untried = addresses.filter((hostname) => !isIn(failedAt, { hostname, port: upstream.port }));
      const candidates = untried.length > 0 ? untried : addresses;
      turn = (turn + 1) % Number.MAX_SAFE_INTEGER;
      return leastBusy(candidates, { port: upstream.port, turn, count: (address) => inFlight.count(address) });
    },
    async appear(upstream, gone) {
      if (upstream.kind !== "pods") return noPods;
      const isReady = isThere.bind(null, upstream);
      const over = AbortSignal.any([gone, AbortSignal.timeout(patienceMs)]);
      await new Promise<void>((resolve) => {
        const stop = endpoints.onChange(settle);
        over.addEventListener("abort", settle);
        settle();
        function settle(): void {
          if (!isReady() && !over.aborted) return;
          stop();
          over.removeEventListener("abort", settle);
          resolve();
        }
      });
      // A pod may be known and gone again at once: no request turns in circles.
      await clock.sleep(0);
      return isReady() || gone.aborted ? null : noPods;
    },
  };
}

interface Balance {
  readonly port: number;
  /** Where to begin among equals, so that they take turns. */
  readonly turn: number;
  readonly count: (address: Endpoint) => number;
}

export function leastBusy(hostnames: readonly string[], { port, turn, count }: Balance): Endpoint | null {
  let chosen: Endpoint | null = null;
  let fewest = Infinity;
  for (let index = 0; index < hostnames.length; index += 1) {
    const hostname = hostnames[(index + turn) % hostnames.length];
    if (hostname === undefined) continue;
    const underWay = count({ hostname, port });
    if (underWay >= fewest) continue;
    fewest = underWay;
    chosen = { hostname, port };
  }
  return chosen;
}

const isIn = (addresses: readonly Endpoint[], { hostname, port }: Endpoint): boolean =>
  addresses.some((address) => address.hostname === hostname && address.port === port);
