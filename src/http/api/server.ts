import type { HttpDependencies } from "../dependencies.ts";
import { deploymentSchema } from "../../spec/schema/deployment.ts";
import { actorOf, json, type Route } from "../route.ts";

export const serverRoutes = ({ release, publicUrl }: HttpDependencies): readonly Route[] => [
  {
    method: "GET",
    path: "/healthz",
    audience: "public",
    voice: "api",
    summary: "Whether the server answers",
    answer: { status: 200, schema: "Health" },
    handle: () => json({ status: "ok" }),
  },
  {
    method: "GET",
    path: "/deploy.schema.json",
    audience: "public",
    voice: "api",
    summary: "The JSON Schema of deployments/*.yaml, for editors",
    answer: { status: 200, mediaType: "application/schema+json" },
    handle() {
      const response = json(deploymentSchema);
      response.headers.set("content-type", "application/schema+json");
      return response;
    },
  },
  {
    method: "GET",
    path: "/api/v1/me",
    audience: "signed-in",
    voice: "api",
    summary: "Who you are to this server",
    answer: { status: 200, schema: "IdentityAnswer" },
    handle(call) {
      const { name, kind, role, groups } = actorOf(call);
      return json({ identity: { name, kind, role, groups }, url: publicUrl });
    },
  },
  {
    method: "POST",
    path: "/api/v1/rebuild",
    audience: "admin",
    voice: "api",
    summary: "Read every repository again and make what its tags say run",
    answer: { status: 200, schema: "RebuildAnswer" },
    handle: async () => json(await release.rebuild()),
  },
];
