import type { RunView } from "../../../runs/view.ts";
import { answer, type CommandContext } from "../../command.ts";
import { painter, printable, type Paint } from "../../terminal.ts";

/** The fields that scripts may count on (design, "Command line and API"), and some more. */
export const runFields = (run: RunView) => ({
  id: run.id,
  job: run.job,
  environment: run.environment,
  repository: run.repository,
  name: run.name,
  state: run.state,
  reason: run.reason,
  waitingFor: run.waitingFor,
  scheduledFor: run.scheduledFor,
  startedAt: run.startedAt,
  endedAt: run.endedAt,
  durationMs: run.durationMs,
  parameters: run.parameters,
  result: run.result,
  files: run.files,
  trigger: run.trigger,
  chainNote: run.chainNote,
  schedule: run.schedule,
  actor: run.actor,
  attempt: run.attempt,
  exitStatus: run.exitStatus,
  signal: run.signal,
  peakMemoryBytes: run.peakMemoryBytes,
  snapshot: run.snapshot,
  commit: run.commit,
});

export const answerRun = (context: CommandContext, run: RunView): void =>
  answer(context, { run: runFields(run) }, runLines(run, painter(context.terminal)));

const good = new Set(["Completed", "Running"]);
const bad = new Set(["Failed", "TimedOut", "Crashed"]);

export function stateStyle(state: string): "green" | "red" | "yellow" {
  if (good.has(state)) return "green";
  return bad.has(state) ? "red" : "yellow";
}

/** `run k3f of train is Failed: exited with status 3 …`, with all that is known of why. */
function runLines(run: RunView, paint: Paint): readonly string[] {
  const why = run.waitingFor === null ? run.reason : `waits for ${run.waitingFor}`;
  const [first = "", ...more] = printable(why).split("\n");
  const took = run.durationMs === null ? "" : ` after ${Number((run.durationMs / 1_000).toFixed(1))} s`;
  const state = paint(stateStyle(run.state), run.state);
  return [`run ${run.id} of ${run.job} is ${state}${took}${first === "" ? "" : `: ${first}`}`, ...more];
}
