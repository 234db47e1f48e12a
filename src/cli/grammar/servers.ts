import type { Command } from "commander";
import type { ConnectOptions } from "../commands/server.ts";
import type { Json, Run } from "./options.ts";

/** Commands that run a server, prepare a folder for one, or tell one what to watch. */
export function addServerCommands(program: Command, run: Run): void {
  program
    .command("connect <url>")
    .description("watch a repository hosted elsewhere")
    .option("--name <name>", "what to call it (default: the last part of the URL)")
    .option("--credentials", "ask for, or read from a pipe, user:password or a token for its host")
    .action((url: string, options: ConnectOptions & Json) =>
      run(async (context) => (await import("../commands/server.ts")).connectRepository(context, url, options), options),
    );
  program
    .command("rebuild")
    .description("make what the repositories' tags say run, from Git alone")
    .action((options: Json) =>
      run(async (context) => (await import("../commands/server.ts")).rebuild(context), options),
    );
}
