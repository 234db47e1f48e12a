import type { EventAddress } from "../../../runs/triggers/event-store.ts";
import type { EventDetail } from "../../../runs/triggers/events.ts";
import type { HttpDependencies } from "../../dependencies.ts";
import { actorOf, json, noContent, type Call, type Route } from "../../route.ts";

const root = "/api/v1/repositories/:repository/environments/:environment/events/:event";

/** What the API shows of an event. */
export interface EventView {
  readonly event: string;
  readonly address: string;
  readonly jobs: readonly string[];
  readonly secrets: readonly { readonly by: string; readonly at: string }[];
  readonly deliveries: readonly {
    readonly id: string;
    readonly receivedAt: string;
    readonly outcome: EventDetail["deliveries"][number]["outcome"];
  }[];
}

/** Events that start jobs: what is known of one, its keys, and where it is told. */
export function jobEventRoutes({ events, publicUrl }: HttpDependencies): readonly Route[] {
  const shown = async (call: Call): Promise<EventView> => eventView(publicUrl, await events.event(addressOf(call)));
  return [
    {
      method: "GET",
      path: root,
      audience: "member",
      voice: "api",
      summary: "An event that starts jobs: where it is told, and what came of it",
      answer: { status: 200, schema: "EventAnswer" },
      handle: async (call) => json({ event: await shown(call) }),
    },
    {
      method: "POST",
      path: `${root}/secret`,
      audience: "member",
      voice: "api",
      summary: "A new key to sign an event with, shown once; the one before stays valid",
      answer: { status: 201, schema: "EventAnswer" },
      async handle(call) {
        const key = await events.newKey(addressOf(call), actorOf(call));
        return json({ event: await shown(call), secret: key.reveal() }, 201);
      },
    },
    {
      method: "DELETE",
      path: `${root}/former-secret`,
      audience: "member",
      voice: "api",
      summary: "End all keys of an event but the newest",
      answer: { status: 204 },
      async handle(call) {
        await events.endFormerKeys(addressOf(call));
        return noContent();
      },
    },
    {
      method: "POST",
      path: "/webhooks/events/:repository/:environment/:event",
      // Who sent it is proved by the signature over its body.
      audience: "public",
      voice: "webhook",
      summary: "An event, signed as Standard Webhooks says: starts jobs",
      answer: { status: 202 },
      async handle(call) {
        const { isRepeated } = await events.receive(call.request, addressOf(call));
        return json({ accepted: true, repeated: isRepeated }, 202);
      },
    },
  ];
}

const addressOf = (call: Call): EventAddress => ({
  repository: call.param("repository"),
  environment: call.param("environment"),
  event: call.param("event"),
});

function eventView(publicUrl: string, detail: EventDetail): EventView {
  const { repository, environment, event, jobs, keys, deliveries } = detail;
  return {
    event,
    address: `${publicUrl}/webhooks/events/${repository}/${environment}/${event}`,
    jobs,
    secrets: keys.map(({ by, at }) => ({ by, at: at.toISOString() })),
    deliveries: deliveries.map(({ id, receivedAt, outcome }) => ({
      id,
      receivedAt: receivedAt.toISOString(),
      outcome,
    })),
  };
}
