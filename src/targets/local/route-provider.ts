import type { Clock } from "../../core/clock.ts";
import type { StackName } from "../../core/stack.ts";
import type { Properties, Provider } from "../../engine/provider.ts";
import type { AccessRule, IdleRule, Route, RouteTable, Upstream } from "../route.ts";
import { changedInputs, textOf } from "./properties.ts";

const handOverPollMs = 20;
// Who takes over a host name may have to start first. It waits for a place among those that are applied, too.
const maxHandOverMs = 30_000;

/** `waybill:local:Route`: a host name and where its requests go. Changes in place, so that no request falls between. */
export function makeRouteProvider({ routes, clock }: { routes: RouteTable; clock: Clock }): Provider {
  /** Of two that exchange their host names, neither takes its old one away before the other leads it elsewhere. */
  async function handedOver(host: string, stack: StackName, signal: AbortSignal): Promise<void> {
    const until = clock.now().getTime() + maxHandOverMs;
    while (!signal.aborted && clock.now().getTime() < until && (await routes.isAwaited(host, stack))) {
      // Whoever cancels this wants something newer: it is not kept waiting.
      await clock.sleep(handOverPollMs, signal).catch(() => undefined);
    }
  }

  return {
    rewrites: () => true,
    diff: (request) => {
      const changed = changedInputs(request);
      const replaces = changed.filter((name) => name === "host" || name === "stack");
      // The old host goes first: a deletion left over from an interrupted apply must not take a newer row along.
      return Promise.resolve({ changes: changed.length > 0, replaces, deleteBeforeReplace: true });
    },
    async create({ inputs }) {
      await routes.put(asRoute(inputs));
      return { id: textOf(inputs, "host"), outputs: inputs };
    },
    // Writing a row twice does no harm, and a row that was never written would be missed.
    async find({ inputs }) {
      await routes.restore(asRoute(inputs));
      return { id: textOf(inputs, "host"), outputs: inputs };
    },
    async update({ newInputs }) {
      await routes.put(asRoute(newInputs));
      return { outputs: newInputs };
    },
    async delete({ id, inputs, signal }) {
      const stack = inputs["stack"] as unknown as StackName;
      await handedOver(id, stack, signal);
      await routes.remove(id, stack);
    },
  };
}

function asRoute(inputs: Properties): Route {
  const { stack, upstream, access, idle } = inputs;
  return {
    host: textOf(inputs, "host"),
    stack: stack as unknown as StackName,
    upstream: upstream as unknown as Upstream,
    access: access as unknown as AccessRule,
    ...(idle !== undefined && { idle: idle as unknown as IdleRule }),
  };
}
