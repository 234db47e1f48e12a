import type { User } from "../../access/account.ts";
import type { Role } from "../../access/permission.ts";
import type { HttpDependencies } from "../dependencies.ts";
import { pageOf, pageQuery, readPage } from "../paging.ts";
import { actorOf, json, noContent, type Route } from "../route.ts";

interface InviteRequest {
  readonly name: string;
  readonly role?: Role;
  readonly groups?: readonly string[];
}

const userView = ({ name, role, groups, hasPassword, createdAt }: User): object => ({
  name,
  role,
  groups,
  hasPassword,
  createdAt,
});

export const userRoutes = ({ access }: HttpDependencies): readonly Route[] => [
  {
    method: "GET",
    path: "/api/v1/users",
    audience: "admin",
    voice: "api",
    summary: "List people",
    query: pageQuery,
    answer: { status: 200, schema: "UserList" },
    async handle(call) {
      const page = pageOf(await access.listUsers(actorOf(call)), ({ name }) => name, readPage(call.url.searchParams));
      return json({ users: page.rows.map(userView), next: page.next });
    },
  },
  {
    method: "POST",
    path: "/api/v1/users",
    audience: "admin",
    voice: "api",
    summary: "Invite a person by a one-time link",
    body: "InviteRequest",
    answer: { status: 201, schema: "InviteAnswer" },
    async handle(call) {
      const { name: user, role, groups } = call.body as InviteRequest;
      const { url, expiresAt } = await access.invite(actorOf(call), {
        user,
        ...(role && { role }),
        ...(groups && { groups }),
      });
      return json({ name: user, link: url.reveal(), expiresAt }, 201);
    },
  },
  {
    method: "DELETE",
    path: "/api/v1/users/:name",
    audience: "admin",
    voice: "api",
    summary: "Remove a person, with all sessions and tokens",
    answer: { status: 204 },
    async handle(call) {
      await access.removeUser(actorOf(call), call.param("name"));
      return noContent();
    },
  },
];
