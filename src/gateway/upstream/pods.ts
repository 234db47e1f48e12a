import type { Clock } from "../../core/clock.ts";
import type { Upstream } from "../../targets/route.ts";
import type { InFlight } from "../in-flight.ts";
import type { Endpoint, Mirror } from "../mirror.ts";
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
  readonly mirror: Pick<Mirror, "podServices" | "onChange">;
  readonly inFlight: Pick<InFlight, "count">;
  readonly clock: Clock;
}

// While one revision's pods take over from another's, there may be none for a moment.
const patienceMs = 5_000;

export function makePodChoice({ endpoints, mirror, inFlight, clock }: Parts): PodChoice {
  let turn = 0;
  const isBehind = makeLag({ endpoints, mirror });
  const ready = (upstream: PodsUpstream): readonly string[] =>
    isBehind(upstream) ? [] : (endpoints.ready(upstream) ?? []);
  const isThere = (upstream: PodsUpstream): boolean => ready(upstream).length > 0;
  return {
    isThere,
    onChange: (callback) => endpoints.onChange(callback),
    choose(upstream, { failedAt }) {
      const addresses = ready(upstream);
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
        // What lags behind is good enough after a while, and nothing tells of that.
        const timer = setTimeout(settle, lagMs + 1);
        over.addEventListener("abort", settle);
        settle();
        function settle(): void {
          if (!isReady() && !over.aborted) return;
          stop();
          clearTimeout(timer);
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

// A cluster tells of a Service's new pods within milliseconds; where it does not, any pod is better than none.
const lagMs = 3_000;

/**
 * A route is moved to a revision after its Service is, but the news of the two come by ways of their own. Pods of another
 * revision than the route's are those of the one before where the route's change was heard of last. Where the pods'
 * was, these are new, and the route will follow.
 */
function makeLag({ endpoints, mirror }: Pick<Parts, "endpoints" | "mirror">): (upstream: PodsUpstream) => boolean {
  // By Service and revision: of several routes to one Service, each is moved by itself.
  const routes = new Map<string, Heard>();
  const pods = new Map<string, Heard>();
  let order = 0;

  function hear(known: Map<string, Heard>, found: ReadonlyMap<string, string | null>): void {
    for (const key of known.keys()) if (!found.has(key)) known.delete(key);
    for (const [key, revision] of found) {
      if (known.get(key)?.revision !== revision) known.set(key, { revision, order: ++order, atMs: performance.now() });
    }
  }

  function listen(): void {
    const services = mirror.podServices();
    hear(pods, new Map(services.map((service) => [keyOf(service), endpoints.revision(service)])));
    hear(routes, new Map(services.map((service) => [routeKeyOf(service), service.revision])));
  }

  mirror.onChange(listen);
  endpoints.onChange(listen);
  return (upstream) => {
    const [route, pod] = [routes.get(routeKeyOf(upstream)), pods.get(keyOf(upstream))];
    if (!route || !pod || pod.revision === null || pod.revision === upstream.revision) return false;
    return route.order > pod.order && performance.now() - route.atMs < lagMs;
  };
}

interface Heard {
  readonly revision: string | null;
  /** Counts all that was heard. */
  readonly order: number;
  readonly atMs: number;
}

const keyOf = ({ target, namespace, service }: PodsUpstream): string => `${target} ${namespace} ${service}`;
const routeKeyOf = (upstream: PodsUpstream): string => `${keyOf(upstream)} ${upstream.revision}`;

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
