import { makeFeed } from "../../core/feed.ts";
import type { Identity } from "../../core/identity.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { ReleaseEvent } from "../../release/release.ts";
import type { Runs } from "../../runs/runs.ts";
import type { HttpDependencies } from "../dependencies.ts";
import { eventStream, type StreamEvent } from "../event-stream.ts";
import { actorOf, belongsTo, type Route } from "../route.ts";
import { visibleDeployments } from "./deployments.ts";

// Jobs may have many runs a second: whoever reads again what it shows is told once.
const gatherMs = 100;

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
  const over = new AbortController();
  const until = AbortSignal.any([signal, dependencies.signal, over.signal]);
  const heard = makeFeed<StreamEvent>();
  const tell = (data: object): void => heard.publish({ event: "change", data });
  const events = heard.follow(until);
  // As the API's list of them, runs are members' to see.
  const stop = belongsTo(actor, "member") ? hearOfRuns(dependencies.runs, tell) : () => undefined;
  const failure = hearOfReleases(dependencies, { actor, until, tell })
    .then(() => null)
    .catch((error: unknown) => ({ error }))
    .finally(() => over.abort());
  try {
    yield* events;
    const failed = await failure;
    if (failed) throw failed.error;
  } finally {
    stop();
    over.abort();
  }
}

async function hearOfReleases(
  dependencies: HttpDependencies,
  { actor, until, tell }: { actor: Identity; until: AbortSignal; tell: (event: ReleaseEvent) => void },
): Promise<void> {
  for await (const event of dependencies.release.events(until)) {
    if (await concerns(dependencies, actor, event)) tell(event);
  }
}

/** Tells which jobs have runs that took a step; answers how to stop. */
function hearOfRuns({ changes }: Pick<Runs, "changes">, tell: (event: object) => void): () => void {
  const news = new Map<string, StackName>();
  let timer: NodeJS.Timeout | null = null;
  const flush = (): void => {
    timer = null;
    for (const stack of news.values()) tell({ type: "run", ...stack });
    news.clear();
  };
  const stop = changes.listen(({ stack }) => {
    news.set(stackKey(stack), stack);
    timer ??= setTimeout(flush, gatherMs);
  });
  return () => {
    stop();
    if (timer) clearTimeout(timer);
  };
}

/** A viewer hears of nothing but the deployments that it may see. */
async function concerns(dependencies: HttpDependencies, actor: Identity, event: ReleaseEvent): Promise<boolean> {
  if (belongsTo(actor, "member")) return true;
  const { repository, environment, deployment: name } = event;
  if (environment === null || name === null) return false;
  return (await visibleDeployments(dependencies, actor, { repository, environment, name })).length > 0;
}
