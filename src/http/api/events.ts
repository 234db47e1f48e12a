import type { Identity } from "../../core/identity.ts";
import type { ReleaseEvent } from "../../release/release.ts";
import type { HttpDependencies } from "../dependencies.ts";
import { eventStream, type StreamEvent } from "../event-stream.ts";
import { actorOf, belongsTo, type Route } from "../route.ts";
import { visibleDeployments } from "./deployments.ts";

export const eventRoutes = (dependencies: HttpDependencies): readonly Route[] => [
  {
    method: "GET",
    path: "/api/v1/events",
    audience: "signed-in",
    voice: "api",
    summary: "What changes, as server-sent events: read again what you show",
    answer: { status: 200, mediaType: "text/event-stream" },
    handle(call) {
      const actor = actorOf(call);
      // What happened while the line was down is not kept: whoever comes back reads everything again.
      const isBack = call.request.headers.has("last-event-id");
      return eventStream(call.request, (signal) => watch(dependencies, { actor, isBack, signal }));
    },
  },
];

async function* watch(
  dependencies: HttpDependencies,
  { actor, isBack, signal }: { actor: Identity; isBack: boolean; signal: AbortSignal },
): AsyncGenerator<StreamEvent> {
  if (isBack) yield { event: "change", data: { type: "everything" } };
  const until = AbortSignal.any([signal, dependencies.signal]);
  for await (const event of dependencies.release.events(until)) {
    if (await concerns(dependencies, actor, event)) yield { event: "change", data: event };
  }
}

/** A viewer hears of nothing but the deployments that it may see. */
async function concerns(dependencies: HttpDependencies, actor: Identity, event: ReleaseEvent): Promise<boolean> {
  if (belongsTo(actor, "member")) return true;
  const { repository, environment, deployment: name } = event;
  if (environment === null || name === null) return false;
  return (await visibleDeployments(dependencies, actor, { repository, environment, name })).length > 0;
}
