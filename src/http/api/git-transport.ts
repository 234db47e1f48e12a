import type { HttpDependencies } from "../dependencies.ts";
import { actorOf, type Call, type Route } from "../route.ts";

/** Git's smart HTTP protocol and webhooks: bodies pass as streams, to rooms that know their limits. */
export function transportRoutes({ git, webhooks }: HttpDependencies): readonly Route[] {
  const handle = (call: Call): Promise<Response> => git.handle(call.request, actorOf(call));
  const shared = { path: "/git/:file/*", audience: "member", voice: "git", handle } as const;
  return [
    {
      ...shared,
      method: "GET",
      summary: "Clone and fetch",
      answer: { status: 200, mediaType: "application/octet-stream" },
    },
    {
      ...shared,
      method: "POST",
      summary: "Fetch and push",
      answer: { status: 200, mediaType: "application/octet-stream" },
    },
    {
      method: "POST",
      path: "/webhooks/github/:repository",
      // Who sent it is proved by the signature over its body.
      audience: "public",
      voice: "webhook",
      summary: "GitHub's push webhook: look now",
      answer: { status: 202 },
      handle: (call) => webhooks.receive(call.request, call.param("repository")),
    },
  ];
}
