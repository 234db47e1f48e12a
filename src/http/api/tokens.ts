import type { Token } from "../../access/account.ts";
import type { Role } from "../../access/permission.ts";
import type { HttpDependencies } from "../dependencies.ts";
import { pageOf, pageQuery, readPage } from "../paging.ts";
import { actorOf, json, noContent, type Route } from "../route.ts";

interface TokenRequest {
  readonly name: string;
  readonly role?: Role;
  readonly groups?: readonly string[];
  readonly service?: boolean;
  readonly expiresInDays?: number;
}

const dayMs = 24 * 60 * 60 * 1000;

const tokenView = ({ id, name, owner, role, createdAt, expiresAt, lastUsedAt }: Token): object => ({
  id,
  name,
  owner,
  role,
  createdAt,
  expiresAt,
  lastUsedAt,
});

export function tokenRoutes({ access, clock }: HttpDependencies): readonly Route[] {
  const expiry = (days: number | undefined): Date | null =>
    days === undefined ? null : new Date(clock.now().getTime() + days * dayMs);
  return [
    {
      method: "GET",
      path: "/api/v1/tokens",
      audience: "signed-in",
      voice: "api",
      summary: "List your tokens; an administrator sees everybody's",
      query: pageQuery,
      answer: { status: 200, schema: "TokenList" },
      async handle(call) {
        const page = pageOf(await access.listTokens(actorOf(call)), ({ id }) => id, readPage(call.url.searchParams));
        return json({ tokens: page.rows.map(tokenView), next: page.next });
      },
    },
    {
      method: "POST",
      path: "/api/v1/tokens",
      audience: "signed-in",
      voice: "api",
      summary: "Create a token; it is shown this once",
      body: "TokenRequest",
      answer: { status: 201, schema: "TokenAnswer" },
      async handle(call) {
        const { name, role, groups, service, expiresInDays } = call.body as TokenRequest;
        const { token, secret } = await access.createToken(actorOf(call), {
          name,
          expiresAt: expiry(expiresInDays),
          ...(role && { role }),
          ...(groups && { groups }),
          ...(service === undefined ? {} : { isService: service }),
        });
        return json({ token: secret.reveal(), id: token.id, name: token.name, expiresAt: token.expiresAt }, 201);
      },
    },
    {
      method: "DELETE",
      path: "/api/v1/tokens/:id",
      audience: "signed-in",
      voice: "api",
      summary: "Revoke a token",
      answer: { status: 204 },
      async handle(call) {
        await access.revokeToken(actorOf(call), call.param("id"));
        return noContent();
      },
    },
  ];
}
