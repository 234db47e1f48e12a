import type { HttpDependencies } from "../dependencies.ts";
import { actorOf, type Call, type Route } from "../route.ts";

/** Git's smart HTTP protocol, webhooks and source archives: bodies pass as streams, to rooms that know their limits. */
export function transportRoutes({ git, webhooks, sources }: HttpDependencies): readonly Route[] {
  const handle = (call: Call): Promise<Response> => git.handle(call.request, actorOf(call));
  const shared = { path: "/git/:file/*", audience: "member", voice: "git", handle } as const;
  const source = {
    path: "/source/:repository/:file",
    // Who may read or write it is signed into its address.
    audience: "public",
    voice: "webhook",
    handle: (call: Call) => sources.handle(call.request, call.param("repository"), call.param("file")),
  } as const;
  return [
    {
      ...source,
      method: "GET",
      summary: "The files that a pod runs",
      answer: { status: 200, mediaType: "application/gzip" },
    },
    { ...source, method: "PUT", summary: "What a build has made of them, or a run has left", answer: { status: 204 } },
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
