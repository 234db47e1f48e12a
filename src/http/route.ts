import type { Identity } from "../core/identity.ts";
import { WaybillError } from "../core/errors.ts";

/** Who may call a route. `member` deploys, rolls back and reads; `signed-in` includes viewers. */
export type Audience = "public" | "signed-in" | "member" | "admin";

/** How a route speaks: its errors and its way of asking for an identity. */
export type Voice = "api" | "page" | "git" | "webhook";

export interface Call {
  readonly request: Request;
  readonly url: URL;
  readonly visitor: Identity | null;
  /** The body after its check against `Route.body`; undefined for a route without one. */
  readonly body: unknown;
  param(name: string): string;
}

export interface QueryParameter {
  readonly description: string;
  readonly type: "string" | "integer" | "boolean";
}

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** In Hono's form: `/api/v1/repositories/:repository`. */
  readonly path: string;
  readonly audience: Audience;
  readonly voice: Voice;
  readonly summary: string;
  readonly query?: Readonly<Record<string, QueryParameter>>;
  /** A definition of schemas/api.schema.json. */
  readonly body?: string;
  readonly maxBodyBytes?: number;
  /** Its texts are kept in other ways, or not at all: they may hold what neither PostgreSQL nor a variable can. */
  readonly takesAnyText?: true;
  /** Status and definition, or media type, of the answer when all is well. */
  readonly answer: { readonly status: number; readonly schema?: string; readonly mediaType?: string };
  handle(call: Call): Promise<Response> | Response;
}

/** The identity of a call that has one. */
export function actorOf(call: Call): Identity {
  if (!call.visitor) throw new WaybillError("SIGN_IN_REQUIRED", "this needs an identity: sign in, or send a token");
  return call.visitor;
}

const rank = { public: 0, "signed-in": 1, member: 2, admin: 3 } as const satisfies Record<Audience, number>;
const rankOfRole = { viewer: 1, member: 2, admin: 3 } as const satisfies Record<Identity["role"], number>;

/** Whether an identity, or nobody, belongs to an audience. */
export function belongsTo(visitor: Identity | null, audience: Audience): boolean {
  return (visitor ? rankOfRole[visitor.role] : 0) >= rank[audience];
}

export const json = (value: unknown, status = 200): Response => Response.json(value, { status });
export const noContent = (): Response => new Response(null, { status: 204 });
/** 303: what was posted is not posted again by reloading. */
export const seeOther = (location: string, headers: Record<string, string> = {}): Response =>
  new Response(null, { status: 303, headers: { ...headers, location } });
