import type { HttpDependencies } from "../dependencies.ts";
import type { ConnectRequest } from "../../release/release.ts";
import { WaybillError } from "../../core/errors.ts";
import { isName } from "../../core/names.ts";
import { pageOf, pageQuery, readPage } from "../paging.ts";
import { actorOf, json, type Route } from "../route.ts";

type ConnectBody = Omit<ConnectRequest, "name" | "actor"> & { readonly name?: string };

export function repositoryRoutes({ release, publicUrl }: HttpDependencies): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/v1/repositories",
      audience: "member",
      voice: "api",
      summary: "List repositories",
      query: pageQuery,
      answer: { status: 200, schema: "RepositoryList" },
      async handle({ url }) {
        const page = pageOf(await release.repositories(), ({ name }) => name, readPage(url.searchParams));
        return json({ repositories: page.rows, next: page.next });
      },
    },
    {
      method: "POST",
      path: "/api/v1/repositories",
      // The server fetches from whatever URL it is given.
      audience: "admin",
      voice: "api",
      summary: "Watch a repository hosted elsewhere",
      body: "ConnectRequest",
      answer: { status: 201, schema: "ConnectAnswer" },
      async handle(call) {
        const body = call.body as ConnectBody;
        const request = { ...body, name: body.name ?? nameFromUrl(body.url), actor: actorOf(call) };
        const { webhook, wasConnected, ...repository } = await release.connect(request);
        const { path, secret, formerValidUntil } = webhook;
        const { href } = new URL(path, publicUrl);
        const shown = { url: href, secret: secret?.reveal() ?? null, formerValidUntil };
        return json({ repository, wasConnected, webhook: shown }, 201);
      },
    },
  ];
}

/** `https://example.org/team/Shop.git` and `git@example.org:team/Shop.git` are both called `shop`. */
export function nameFromUrl(url: string): string {
  const path = URL.canParse(url) ? new URL(url).pathname : url;
  const last = /([^/:]+?)(?:\.git)?\/*$/.exec(path)?.[1] ?? "";
  const name = last
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  if (isName(name)) return name;
  throw new WaybillError(
    "REQUEST_INVALID",
    "the URL does not end in a name that Waybill can use: give the repository a name",
  );
}
