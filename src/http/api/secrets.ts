import type { HttpDependencies } from "../dependencies.ts";
import { WaybillError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { pageOf, pageQuery, readPage } from "../paging.ts";
import { actorOf, json, noContent, type Call, type Route } from "../route.ts";
import { nameParam } from "./environments.ts";

const root = "/api/v1/repositories/:repository/secrets";
// Room for a certificate chain; a larger value belongs in the source.
const maxSecretBodyBytes = 2 * 1024 * 1024;

export function secretRoutes({ secrets, release }: HttpDependencies): readonly Route[] {
  const scopeOf = (call: Call, environment: string | null): { repository: string; environment: string | null } => ({
    repository: nameParam(call, "repository"),
    environment,
  });
  return [
    {
      method: "GET",
      path: root,
      audience: "member",
      voice: "api",
      summary: "List the names of a repository's secrets",
      query: pageQuery,
      answer: { status: 200, schema: "SecretList" },
      async handle(call) {
        const rows = await secrets.list(nameParam(call, "repository"));
        const page = pageOf(rows, (row) => `${row.name}/${row.environment ?? ""}`, readPage(call.url.searchParams));
        return json({ secrets: page.rows, next: page.next });
      },
    },
    {
      method: "PUT",
      path: `${root}/:name`,
      audience: "member",
      voice: "api",
      summary: "Set a secret; what uses it is deployed anew",
      body: "SecretRequest",
      maxBodyBytes: maxSecretBodyBytes,
      takesAnyText: true,
      answer: { status: 200, schema: "SecretAnswer" },
      async handle(call) {
        const { value, environment } = call.body as { value: string; environment?: string | null };
        const scope = scopeOf(call, environment ?? null);
        const request = { ...scope, name: call.param("name"), value: new Secret(value), actor: actorOf(call) };
        const secret = await secrets.set(request);
        await release.secretsChanged(scope);
        return json({ secret });
      },
    },
    {
      method: "DELETE",
      path: `${root}/:name`,
      audience: "member",
      voice: "api",
      summary: "Remove a secret",
      query: {
        environment: { type: "string", description: "The environment's own value; the repository's without it." },
      },
      answer: { status: 204 },
      async handle(call) {
        const scope = scopeOf(call, call.url.searchParams.get("environment"));
        if (scope.environment === "") throw new WaybillError("REQUEST_INVALID", "environment is empty");
        await secrets.remove({ ...scope, name: call.param("name"), actor: actorOf(call) });
        await release.secretsChanged(scope);
        return noContent();
      },
    },
  ];
}
