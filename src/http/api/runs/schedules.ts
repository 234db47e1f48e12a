import { chainView, scheduleView, upcomingView } from "../../../runs/view.ts";
import type { HttpDependencies } from "../../dependencies.ts";
import { actorOf, json, type Call, type Route } from "../../route.ts";
import { deploymentRoot, stackOf } from "../deployments.ts";

export function scheduleRoutes({ runs }: HttpDependencies): readonly Route[] {
  const answerOf = (call: Call): Response =>
    json({
      schedules: runs.schedules(stackOf(call)).map(scheduleView),
      upcoming: runs.upcoming(stackOf(call)).map(upcomingView),
      ...chainView(runs.chain(stackOf(call))),
    });
  const common = { audience: "member", voice: "api", answer: { status: 200, schema: "ScheduleList" } } as const;
  const requestOf = (call: Call) => ({
    stack: stackOf(call),
    schedule: call.param("schedule"),
    actor: actorOf(call),
  });
  return [
    {
      ...common,
      method: "GET",
      path: `${deploymentRoot}/schedules`,
      summary: "What starts a job by itself, and the runs that will come of its schedules",
      handle: answerOf,
    },
    {
      ...common,
      method: "POST",
      path: `${deploymentRoot}/schedules/:schedule/pause`,
      summary: "Pause a schedule until it is resumed, whatever is deployed meanwhile",
      body: "PauseRequest",
      async handle(call) {
        const { reason = "" } = call.body as { reason?: string };
        await runs.pauseSchedule({ ...requestOf(call), reason });
        return answerOf(call);
      },
    },
    {
      ...common,
      method: "POST",
      path: `${deploymentRoot}/schedules/:schedule/resume`,
      summary: "End a schedule's pause",
      async handle(call) {
        await runs.resumeSchedule(requestOf(call));
        return answerOf(call);
      },
    },
  ];
}
