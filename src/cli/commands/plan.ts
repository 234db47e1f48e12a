import { isUtf8 } from "node:buffer";
import type { SourceFile } from "../../spec/problem.ts";
import type { Plan } from "../../release/plan.ts";
import { planLines } from "../../release/push/plan-lines.ts";
import { answer, type CommandContext } from "../command.ts";
import { apiPath } from "../client.ts";
import { chooseRepository, defaultEnvironment } from "../repository-choice.ts";
import { painter, printable, type Paint } from "../terminal.ts";
import { readWorkingTree } from "../working-tree.ts";

export interface PlanOptions {
  readonly repository?: string;
  readonly environment?: string;
}

export async function plan(context: CommandContext, options: PlanOptions): Promise<void> {
  const client = await context.connect();
  const repository = await chooseRepository(client, context, options.repository);
  const environment = options.environment ?? defaultEnvironment;
  const { files, trees } = await readWorkingTree(context.terminal.cwd, context.terminal.signal);
  const path = apiPath(["repositories", repository, "environments", environment, "plan"]);
  const planned = await client.send<Plan>("POST", path, { files: files.map(wireFile), trees });
  const changes = planned.changes.map(({ name, action, fields, reasons, objects }) => ({
    name,
    action,
    fields,
    reasons,
    ...(objects && { objects }),
  }));
  const paint = painter(context.terminal);
  answer(
    context,
    { changes },
    planLines(planned).map((line) => coloured(printable(line), paint)),
  );
}

/** A file that is no UTF-8 travels as it is, so that the server says what is wrong with it. */
function wireFile({ path, bytes }: SourceFile): object {
  if (isUtf8(bytes)) return { path, content: Buffer.from(bytes).toString("utf8") };
  return { path, content: Buffer.from(bytes).toString("base64"), encoding: "base64" };
}

const styles = { "+": "green", "~": "yellow", "±": "yellow", "-": "red" } as const;

function coloured(line: string, paint: Paint): string {
  const sign = line[0] ?? "";
  return sign in styles ? paint(styles[sign as keyof typeof styles], line) : line;
}
