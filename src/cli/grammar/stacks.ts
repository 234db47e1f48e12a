import type { Command } from "commander";
import type { ExportOptions } from "../commands/stack.ts";
import type { Choice } from "../repository-choice.ts";
import { environmentOption, repositoryOption, type Json, type Run } from "./options.ts";

/** Commands about a deployment's Pulumi state, for administrators. */
export function addStackCommands(program: Command, run: Run): void {
  const stack = program.command("stack").description("move a deployment's Pulumi state");
  stack
    .command("export <name>")
    .description("print a deployment's state, as `pulumi stack import` takes it")
    .option("--show-secrets", "secrets as plain text, for another engine")
    .option("--into <file>", "what `pulumi stack export` prints of the stack that it is for; shows secrets")
    .addOption(repositoryOption())
    .addOption(environmentOption())
    .action((name: string, options: ExportOptions & Json) =>
      run(async (context) => (await import("../commands/stack.ts")).exportStack(context, name, options), options),
    );
  stack
    .command("import <name> <file>")
    .description("replace a deployment's state by what `pulumi stack export --show-secrets` printed")
    .addOption(repositoryOption())
    .addOption(environmentOption())
    .action((name: string, file: string, options: Choice & Json) =>
      run(
        async (context) => (await import("../commands/stack.ts")).importStack(context, name, { ...options, file }),
        options,
      ),
    );
}
