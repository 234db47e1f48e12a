import { WaybillError } from "../../../core/errors.ts";
import type { EventView } from "../../../http/api/runs/events.ts";
import { answer, type CommandContext } from "../../command.ts";
import { apiPath } from "../../client.ts";
import { chooseRepository, defaultEnvironment, type Choice } from "../../repository-choice.ts";
import { ago, painter, printable, table, type Cell } from "../../terminal.ts";

export interface EventOptions extends Choice {
  readonly newSecret?: boolean;
  readonly endFormerSecret?: boolean;
}

interface Answer {
  readonly event: EventView;
  readonly secret?: string;
}

/** Shows an event that starts jobs; makes its secret, or ends the one before. */
export async function event(context: CommandContext, name: string, options: EventOptions): Promise<void> {
  const { environment = defaultEnvironment, newSecret = false, endFormerSecret = false } = options;
  if (newSecret && endFormerSecret) {
    throw new WaybillError("USAGE", "--new-secret and --end-former-secret were both given: give one of them");
  }
  const client = await context.connect();
  const repository = await chooseRepository(client, context, options.repository);
  const path = (...below: string[]): string =>
    apiPath(["repositories", repository, "environments", environment, "events", name, ...below]);
  if (newSecret) {
    const made = await client.send<Answer>("POST", path("secret"));
    return answer(context, made, secretLines(made));
  }
  if (endFormerSecret) await client.send("DELETE", path("former-secret"));
  const found = await client.get<Answer>(path());
  answer(context, found, eventLines(context, found.event));
}

const secretLines = ({ event: { address, secrets }, secret = "" }: Answer): readonly string[] => [
  `secret: ${secret}`,
  "It is not shown again. Sign each event with it, as Standard Webhooks says, and POST it to",
  address,
  ...(secrets.length > 1 ? ["The one before stays valid until: --end-former-secret"] : []),
];

function eventLines({ terminal, now }: CommandContext, shown: EventView): readonly string[] {
  const { address, jobs, secrets, deliveries } = shown;
  const keys = secrets.map(({ by, at }) => `by ${by}, ${ago(at, now())}`).join("; ");
  const rows = deliveries.flatMap(({ id, receivedAt, outcome }) =>
    (outcome ?? [{ job: null, run: null, problem: "not looked at yet" }]).map(
      ({ job, run, problem }): readonly Cell[] => [
        { text: id, style: "bold" },
        { text: ago(receivedAt, now()) },
        { text: job ?? "" },
        { text: run ?? "" },
        { text: printable(problem ?? "").replaceAll("\n", "; ") },
      ],
    ),
  );
  return [
    `address: ${address}`,
    `starts: ${jobs.join(", ") || "nothing"}`,
    `secrets: ${printable(keys) || "none: waybill event NAME --new-secret"}`,
    ...(rows.length > 0 ? table(["EVENT", "CAME", "JOB", "RUN", "PROBLEM"], rows, painter(terminal)) : []),
  ];
}
