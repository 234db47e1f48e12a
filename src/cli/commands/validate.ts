import { resolve } from "node:path";
import { formatValidation, runValidate } from "../validate.ts";
import { answer, type CommandContext } from "../command.ts";

/** Checks deployment files without a server; answers the exit status: 1 with problems. */
export async function validate(context: CommandContext, path = "."): Promise<number> {
  const validation = await runValidate(resolve(context.terminal.cwd, path));
  answer(context, { problems: validation.problems }, formatValidation(validation).split("\n"));
  return validation.problems.length > 0 ? 1 : 0;
}
