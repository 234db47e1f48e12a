import type { HttpDependencies } from "../dependencies.ts";
import { WaybillError } from "../../core/errors.ts";
import { readForm } from "../body.ts";
import { actorOf, seeOther, type Call, type Route } from "../route.ts";
import { stackOf, visibleDeployment } from "../api/deployments.ts";
import { environmentRef } from "../api/environments.ts";

export type Form = (field: string) => string;

/** What forms post: the same acts as the API's, answered by the page they came from. */
export function actRoutes(dependencies: HttpDependencies): readonly Route[] {
  return [...deploymentActs(dependencies), ...environmentActs(dependencies)];
}

interface FormRoute<Result> {
  readonly path: string;
  readonly summary: string;
  readonly act: (call: Call, form: Form) => Promise<Result>;
  /** Where to go with what has come of it. */
  readonly leadsTo?: (result: Result, call: Call) => string;
}

/** Leads back to the page of the thing, or to the page that the form names. */
export const formRoute = <Result>({ path, summary, act, leadsTo }: FormRoute<Result>): Route => ({
  method: "POST",
  path,
  audience: "member",
  voice: "page",
  summary,
  answer: { status: 303 },
  async handle(call) {
    const form = await readForm(call.request);
    const result = await act(call, form);
    const usual = leadsTo?.(result, call) ?? call.url.pathname.replace(/\/[^/]+$/, "");
    return seeOther(localPath(form("return")) ?? usual);
  },
});

/** A path of this server; null for anything that a browser could read as another place. */
const localPath = (text: string): string | null => (/^\/(?!\/)[\w/.~%?&=+-]*$/.test(text) ? text : null);

function deploymentActs(dependencies: HttpDependencies): readonly Route[] {
  const { release } = dependencies;
  const root = "/deployments/:repository/:environment/:name";
  const route = (name: string, summary: string, act: FormRoute<unknown>["act"]): Route =>
    formRoute({
      path: `${root}/${name}`,
      summary,
      async act(call, form) {
        await visibleDeployment(dependencies, actorOf(call), stackOf(call));
        return act(call, form);
      },
    });
  return [
    route("pause", "Pause", (call, form) =>
      release.pause({ ...stackOf(call), reason: form("reason"), actor: actorOf(call) }),
    ),
    route("resume", "Resume", (call) => release.resume({ ...stackOf(call), actor: actorOf(call) })),
    route("restart", "Restart", (call) => release.restart({ ...stackOf(call), actor: actorOf(call) })),
    route("rollback", "Roll back", (call, form) => {
      const only = form("scope") === "all" ? null : stackOf(call).deployment;
      return release.rollback({ ...environmentRef(call), ...rollbackFields(form), only, actor: actorOf(call) });
    }),
  ];
}

function environmentActs({ release }: HttpDependencies): readonly Route[] {
  const root = "/environments/:repository/:environment";
  return [
    formRoute({
      path: `${root}/rollback`,
      summary: "Roll back",
      act: (call, form) =>
        release.rollback({ ...environmentRef(call), ...rollbackFields(form), only: null, actor: actorOf(call) }),
    }),
    formRoute({
      path: `${root}/hold`,
      summary: "Hold",
      act: (call, form) =>
        release.hold({ ...environmentRef(call), reason: form("reason").slice(0, 1000), actor: actorOf(call) }),
    }),
    formRoute({
      path: `${root}/release`,
      summary: "Release",
      act: (call) => release.release({ ...environmentRef(call), actor: actorOf(call) }),
    }),
  ];
}

function rollbackFields(form: Form): { to: number; note: string } {
  const to = Number(form("to"));
  if (!Number.isSafeInteger(to) || to < 1)
    throw new WaybillError("REQUEST_INVALID", "the form names no snapshot to go back to");
  return { to, note: form("note").slice(0, 1000) };
}
