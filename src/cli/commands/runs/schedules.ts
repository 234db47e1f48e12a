import type { ChainLinkView, ChainView, ScheduleView, UpcomingView } from "../../../runs/view.ts";
import { answer, type CommandContext } from "../../command.ts";
import { deploymentPath, findDeployment, type Choice } from "../../repository-choice.ts";
import { painter, printable, table, type Cell } from "../../terminal.ts";
import { WaybillError } from "../../../core/errors.ts";

export interface ScheduleOptions {
  readonly pause?: string;
  readonly resume?: string;
  readonly note?: string;
}

interface Answer extends ChainView {
  readonly schedules: readonly ScheduleView[];
  readonly upcoming: readonly UpcomingView[];
}

const shownUpcoming = 10;

export async function schedules(
  context: CommandContext,
  job: string,
  options: ScheduleOptions & Choice,
): Promise<void> {
  const { pause, resume, note = "" } = options;
  if (pause !== undefined && resume !== undefined) {
    throw new WaybillError("USAGE", "--pause and --resume were both given: give one of them");
  }
  const client = await context.connect();
  const found = await findDeployment(context, client, job, options);
  const name = pause ?? resume;
  const path = deploymentPath(
    found,
    "schedules",
    ...(name === undefined ? [] : [name, pause === undefined ? "resume" : "pause"]),
  );
  const body = pause === undefined ? undefined : { reason: note };
  const answered = name === undefined ? await client.get<Answer>(path) : await client.send<Answer>("POST", path, body);
  answer(context, answered, linesOf(context, answered));
}

function linesOf(context: CommandContext, answered: Answer): readonly string[] {
  return [...scheduleLines(context, answered), ...chainLines(answered)];
}

function chainLines({ after, followedBy, events }: ChainView): readonly string[] {
  const text = ({ job, states, delaySeconds, rest }: ChainLinkView): string => {
    const later = delaySeconds === 0 ? "" : `, ${delaySeconds} s later`;
    return `${job} (${states.join(", ")})${later}${rest === null ? "" : printable(`: not now, ${rest}`)}`;
  };
  return [
    ...after.map((link) => `after: ${text(link)}`),
    ...followedBy.map((link) => `followed by: ${text(link)}`),
    ...events.map((event) => `event: ${event}`),
  ];
}

function scheduleLines({ terminal }: CommandContext, { schedules: all, upcoming }: Answer): readonly string[] {
  if (all.length === 0) return ["It has no schedules."];
  const paint = painter(terminal);
  const rows = all.map(({ name, active, pause, next }): readonly Cell[] => [
    { text: name, style: "bold" },
    active && !pause ? { text: "active", style: "green" } : { text: pause ? "paused" : "off", style: "yellow" },
    { text: next ?? "" },
    { text: pause ? printable(`by ${pause.by}${pause.reason === "" ? "" : `: ${pause.reason}`}`) : "" },
  ]);
  const coming = upcoming
    .slice(0, shownUpcoming)
    .map(({ at, schedule, firedBy }) => `  ${at}  ${schedule}${firedBy === "cluster" ? " (by its cluster)" : ""}`);
  return [
    ...table(["SCHEDULE", "STATE", "NEXT", "WHY"], rows, paint),
    ...(coming.length > 0 ? ["upcoming:", ...coming] : []),
  ];
}
