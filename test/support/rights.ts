import type { Answered } from "./api-proxy.ts";

/** `patch apps/deployments`, `get pods/log`: what RBAC decides about (https://kubernetes.io/docs/reference/access-authn-authz/rbac/). */
export type Right = string;

export interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
}

export const rightOf = (verb: string, group: string, resource: string): Right =>
  `${verb} ${group === "" ? "" : `${group}/`}${resource}`;

export const rightsIn = (rules: readonly Rule[]): readonly Right[] =>
  rules.flatMap(({ apiGroups = [], resources = [], verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => rightOf(verb, group, resource)))),
  );

const apiPath = /^\/(?:api\/v1|apis\/(?<group>[^/]+)\/[^/]+)\/(?<rest>[^?]+)/;

/** What a request needed. Every account may ask which kinds there are: that needs nothing. */
export function rightsFor({ method, path, isWatch, status }: Answered): readonly Right[] {
  const { group = "", rest = "" } = apiPath.exec(path)?.groups ?? {};
  if (rest === "") return [];
  const parts = rest.split("/");
  const [resource = "", name, ...sub] = parts[0] === "namespaces" && parts.length > 2 ? parts.slice(2) : parts;
  const place = [resource, ...sub].join("/");
  const right = (verb: string): Right => rightOf(verb, group, place);
  switch (method) {
    case "GET":
      return [right(isWatch ? "watch" : name === undefined ? "list" : "get")];
    // An apply of what is not there yet is asked for both.
    case "PATCH":
      return status === 201 ? [right("patch"), right("create")] : [right("patch")];
    case "POST":
      return [right("create")];
    case "DELETE":
      return [right("delete")];
    default:
      return [right(method.toLowerCase())];
  }
}
