import { realpath } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { WaybillError } from "../../core/errors.ts";
import { deploymentSchema } from "../../spec/schema/deployment.ts";
import { answer, type CommandContext } from "../command.ts";
import { findLogin } from "../kept-login.ts";
import { firstFile } from "../init/first-file.ts";
import { openFolder } from "../init/folder.ts";
import { repositoryRoot, writeNew } from "../new-file.ts";

/** Looks at the folder and writes the first deployment file of what it sees. Nothing that exists is overwritten. */
export async function init(context: CommandContext): Promise<void> {
  const folder = await realpath(context.terminal.cwd);
  const root = await repositoryRoot(folder);
  const sourcePath =
    relative(root ?? folder, folder)
      .split(sep)
      .join("/") || ".";
  const { path, text, draft, name } = firstFile(openFolder(folder), sourcePath);
  const file = join(root ?? folder, path);
  if (!(await writeNew(file, text))) {
    throw new WaybillError("CONFLICT", `${file} exists already, and is left as it is: change it, or remove it first`);
  }
  await writeNew(join(root ?? folder, "deploy.schema.json"), `${JSON.stringify(deploymentSchema, null, 2)}\n`);
  const { url } = await findLogin(context.terminal.env);
  const shown = relative(folder, file);
  answer(context, { file, name, kind: draft.kind, saw: draft.saw, hints: draft.hints }, [
    `Saw ${draft.saw}, and wrote ${shown}:`,
    "",
    ...text
      .trimEnd()
      .split("\n")
      .map((line) => `    ${line}`),
    "",
    ...draft.hints.map((hint) => `Look at this first: ${hint}.`),
    "Next:",
    ...nextSteps(root === null, name, url).map((line) => `    ${line}`),
  ]);
}

const nextSteps = (isNew: boolean, name: string, url: string): readonly string[] => [
  "waybill validate",
  ...(isNew ? ["git init"] : []),
  "git add --all && git commit --message 'Deploy with Waybill'",
  `git remote add waybill ${url}/git/${name}.git`,
  "git push waybill HEAD:main",
  `(Git asks for a password: a token, made at ${url}/account)`,
];
