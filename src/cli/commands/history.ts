import type { SnapshotView } from "../../release/views.ts";
import { answer, type CommandContext } from "../command.ts";
import { apiPath } from "../client.ts";
import { chooseRepository, defaultEnvironment } from "../repository-choice.ts";
import { ago, painter, printable, type Paint } from "../terminal.ts";

export interface HistoryOptions {
  readonly repository?: string;
  readonly limit: number;
}

/** The fields that scripts may count on (design, "Command line and API"). */
export const snapshotFields = ({ tag, number, commit, actor, at, reason, reverts, active, held }: SnapshotView) => ({
  tag,
  number,
  commit,
  actor,
  at,
  reason,
  reverts,
  active,
  held,
});

export async function history(
  context: CommandContext,
  environment = defaultEnvironment,
  options: HistoryOptions,
): Promise<void> {
  const client = await context.connect();
  const repository = await chooseRepository(client, context, options.repository);
  const path = apiPath(["repositories", repository, "environments", environment, "snapshots"], {
    limit: String(options.limit),
  });
  const { snapshots } = await client.get<{ snapshots: readonly SnapshotView[] }>(path);
  const paint = painter(context.terminal);
  const lines = snapshots.flatMap((snapshot) => entryLines(snapshot, context.now(), paint));
  answer(
    context,
    { snapshots: snapshots.map(snapshotFields) },
    lines.length > 0 ? lines : [`${environment} of ${repository} has no snapshot yet.`],
  );
}

function entryLines(snapshot: SnapshotView, now: Date, paint: Paint): readonly string[] {
  const { tag, commit, subject, actor, at, branch, reason, reverts, only, active, held } = snapshot;
  const marks = [...(active ? [paint("green", "active")] : []), ...(held ? [paint("yellow", "held")] : [])].join(" ");
  const facts = [actor, ago(at, now), commit.slice(0, 10), ...(branch === null ? [] : [branch])].join(", ");
  const why = [reason, reverts === null ? "" : `takes back ${reverts}`, only === null ? "" : `only ${only}`].filter(
    (text) => text !== "",
  );
  const changes = snapshot.changes
    .filter(({ action }) => action !== "unchanged")
    .map(({ action, name }) => `${action} ${name}`)
    .join(", ");
  return [
    `${paint("bold", tag)}  ${printable(subject)}${marks === "" ? "" : `  ${marks}`}`,
    `    ${facts}`,
    ...(why.length === 0 ? [] : [`    ${printable(why.join("; "))}`]),
    ...(changes === "" ? [] : [`    ${changes}`]),
  ];
}
