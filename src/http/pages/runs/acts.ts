import { visibleDeployment, stackOf } from "../../api/deployments.ts";
import type { HttpDependencies } from "../../dependencies.ts";
import { actorOf, type Call, type Route } from "../../route.ts";
import { formRoute } from "../acts.ts";
import { runPath } from "./rows.tsx";

const maxReasonLength = 1000;
const scheduleRoot = "/deployments/:repository/:environment/:name/schedules/:schedule";

/** What forms on the pages of jobs and runs post. */
export const jobActRoutes = (dependencies: HttpDependencies): readonly Route[] => [
  ...scheduleActs(dependencies),
  ...runActs(dependencies),
];

function runActs({ runs }: HttpDependencies): readonly Route[] {
  const leadsTo = ({ id }: { id: string }): string => runPath(id);
  return [
    formRoute({
      path: "/runs/:id/cancel",
      summary: "Cancel",
      act: (call) => runs.cancel(call.param("id"), actorOf(call)),
      leadsTo,
    }),
    formRoute({
      path: "/runs/:id/retry",
      summary: "Retry",
      act: (call) => runs.retry(call.param("id"), actorOf(call)),
      leadsTo,
    }),
    formRoute({
      path: "/runs/:id/rerun",
      summary: "Rerun",
      act: (call, form) =>
        runs.rerun(call.param("id"), {
          revision: form("revision") === "newest" ? "newest" : "same",
          actor: actorOf(call),
        }),
      leadsTo,
    }),
  ];
}

function scheduleActs(dependencies: HttpDependencies): readonly Route[] {
  const { runs } = dependencies;
  const leadsTo = (_result: unknown, call: Call): string => call.url.pathname.replace(/\/schedules\/.*$/, "");
  const requestOf = async (call: Call) => {
    const [stack, actor] = [stackOf(call), actorOf(call)];
    await visibleDeployment(dependencies, actor, stack);
    return { stack, schedule: call.param("schedule"), actor };
  };
  return [
    formRoute({
      path: `${scheduleRoot}/pause`,
      summary: "Pause a schedule",
      act: async (call, form) =>
        runs.pauseSchedule({ ...(await requestOf(call)), reason: form("reason").slice(0, maxReasonLength) }),
      leadsTo,
    }),
    formRoute({
      path: `${scheduleRoot}/resume`,
      summary: "Resume a schedule",
      act: async (call) => runs.resumeSchedule(await requestOf(call)),
      leadsTo,
    }),
  ];
}
