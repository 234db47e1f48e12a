import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import type { Terminal } from "./terminal.ts";
import type { Run } from "./grammar/options.ts";
import { asWaybillError, WaybillError } from "../core/errors.ts";
import { packageRoot } from "../core/package-root.ts";
import { makeClient, type Client } from "./client.ts";
import { addAccountCommands } from "./grammar/accounts.ts";
import { addDeploymentCommands } from "./grammar/deployments.ts";
import { addRunCommands } from "./grammar/runs.ts";
import { addServerCommands } from "./grammar/servers.ts";
import { addStackCommands } from "./grammar/stacks.ts";
import { findLogin } from "./kept-login.ts";
import { painter, printable } from "./terminal.ts";

/** Runs one command and answers its exit status. */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  let status = 0;
  const program = buildProgram(terminal, (answered) => {
    status = answered;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return status;
  } catch (thrown) {
    // Commander has said already what it did not understand.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : new WaybillError("USAGE", "").exitStatus;
    const error = asWaybillError(thrown);
    report(error, terminal, args.includes("--json"));
    return error.exitStatus;
  }
}

function report(error: WaybillError, terminal: Terminal, json: boolean): void {
  const { code, message } = error;
  if (json) return terminal.err(JSON.stringify({ error: { code, message } }));
  const mark = painter(terminal)("red", "error");
  if (code === "SPEC_INVALID") {
    // A line per problem, as compilers do it, so that editors find the place.
    const lines = printable(message).split("\n");
    for (const line of lines) terminal.err(line);
    terminal.err(`${mark} ${code} nothing was changed: put this right first`);
    return;
  }
  terminal.err(`${mark} ${code} ${printable(message)}`);
  if (error.verdict === "bug" && error.cause instanceof Error) terminal.err(error.cause.stack ?? "");
}

/** The whole grammar; each command loads its own code when it is called. `finish` is given the exit status. */
export function buildProgram(terminal: Terminal, finish: (status: number) => void): Command {
  const program = new Command("waybill")
    .description("Deploys what a Git repository declares: push a commit, get a live, protected URL.")
    .helpOption("-h, --help", "show help")
    .version(packageVersion(), "-V, --version", "show the version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    })
    .showHelpAfterError('("waybill --help" shows every command)');
  const connect = async (): Promise<Client> => makeClient(await findLogin(terminal.env), terminal.signal);
  const run: Run = async (command, { json = false }) =>
    finish((await command({ terminal, json, connect, now: () => new Date() })) ?? 0);
  addServerCommands(program, run);
  addDeploymentCommands(program, run);
  addRunCommands(program, run);
  addAccountCommands(program, run);
  addStackCommands(program, run);
  for (const command of leaves(program)) command.option("--json", "print one JSON document");
  return program;
}

/** Commands that do something; `secret` and `token` only hold others. */
const leaves = (command: Command): readonly Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  return version;
}
