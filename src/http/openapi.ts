import { apiSchema } from "./body.ts";
import { json, type QueryParameter, type Route } from "./route.ts";

/** Describes the API (OpenAPI 3.1, whose schemas are JSON Schema 2020-12) from its own route table. */
export function openApiDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes.filter(({ voice }) => voice === "api")) {
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: "3.1.0",
    info: { title: "Waybill", version: "1", description: "Lists are paged: send a page's `next` as `cursor`." },
    paths,
    components: {
      schemas: rebase(apiSchema.$defs),
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
    },
  };
}

export const openApiRoute = (routes: readonly Route[]): Route => ({
  method: "GET",
  path: "/api/v1/openapi.json",
  audience: "public",
  voice: "api",
  summary: "This description",
  answer: { status: 200, mediaType: "application/json" },
  handle: () => json(openApiDocument(routes)),
});

const component = (name: string): object => ({ $ref: `#/components/schemas/${name}` });

function operation(route: Route): object {
  const params = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  return {
    summary: route.summary,
    "x-audience": route.audience,
    security: route.audience === "public" ? [] : [{ token: [] }],
    parameters: [...params, ...Object.entries(route.query ?? {}).map(queryParameter)],
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: component(route.body) } } } }),
    responses: {
      [route.answer.status]: answer(route),
      default: { description: "An error", content: { "application/problem+json": { schema: component("Problem") } } },
    },
  };
}

const queryParameter = ([name, { description, type }]: [string, QueryParameter]): object => ({
  name,
  in: "query",
  description,
  schema: { type },
});

function answer({ answer: { schema, mediaType } }: Route): object {
  if (schema !== undefined)
    return { description: "Done", content: { "application/json": { schema: component(schema) } } };
  return { description: "Done", ...(mediaType === undefined ? {} : { content: { [mediaType]: {} } }) };
}

/** The same definitions where OpenAPI keeps them. */
function rebase(definitions: object): unknown {
  return JSON.parse(JSON.stringify(definitions).replaceAll('"#/$defs/', '"#/components/schemas/'));
}
