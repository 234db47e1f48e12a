import type { RunView } from "../../../runs/view.ts";
import { apiPath } from "../../client.ts";
import { answer, type CommandContext } from "../../command.ts";
import type { Choice } from "../../repository-choice.ts";
import { ago, painter, printable, table, type Cell } from "../../terminal.ts";
import { runFields, stateStyle } from "./show.ts";

export interface ListOptions extends Choice {
  readonly limit: number;
  readonly state?: string;
}

export async function list(context: CommandContext, job: string | undefined, options: ListOptions): Promise<void> {
  const { limit, state, repository, environment } = options;
  const client = await context.connect();
  const query = { job, state, repository, environment, limit: String(Math.min(500, Math.max(1, limit))) };
  const { runs } = await client.get<{ runs: readonly RunView[] }>(apiPath(["runs"], query));
  const rows = runs.map((run) => cellsOf(run, context.now()));
  const headings = ["RUN", "JOB", "STATE", "ASKED BY", "WHEN", "TOOK", "WHY"];
  const lines = rows.length === 0 ? ["No runs yet."] : table(headings, rows, painter(context.terminal));
  answer(context, { runs: runs.map(runFields) }, lines);
}

function cellsOf(run: RunView, now: Date): readonly Cell[] {
  const why = run.waitingFor ?? run.reason;
  const isAhead = Date.parse(run.scheduledFor) > now.getTime();
  const job = run.environment === "production" ? run.job : `${run.environment}/${run.job}`;
  return [
    { text: run.id, style: "bold" },
    { text: run.name === "" ? job : `${job} (${printable(run.name)})` },
    { text: run.state, style: stateStyle(run.state) },
    { text: printable(triggerText(run.trigger)) },
    { text: isAhead ? run.scheduledFor.slice(0, 16) : ago(run.startedAt ?? run.scheduledFor, now) },
    { text: run.durationMs === null ? "" : `${Number((run.durationMs / 1_000).toFixed(1))} s` },
    { text: printable(why).split("\n", 1)[0] ?? "" },
  ];
}

function triggerText({ kind, name, id }: RunView["trigger"]): string {
  switch (kind) {
    case "schedule":
    case "person":
      return name;
    case "after":
      return `after ${id ?? name}`;
    case "event":
      return `event ${name}`;
    case "before-deploy":
    case "after-deploy":
      return `deploy of ${name}`;
    default:
      return kind satisfies never;
  }
}
