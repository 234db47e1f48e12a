import { Option, type Command } from "commander";
import type { SecretOptions } from "../commands/secret.ts";
import type { InviteOptions, TokenOptions } from "../commands/identity/token.ts";
import { environmentOption, repositoryOption, wholeNumber, type Json, type Run } from "./options.ts";

const roles = ["admin", "member", "viewer"] as const;

/** Commands about who may do what, and about what must stay hidden. */
export function addAccountCommands(program: Command, run: Run): void {
  addSecrets(program, run);
  addTokens(program, run);
  program
    .command("invite <name>")
    .description("make a one-time link by which a person signs in and gets an account")
    .addOption(new Option("--role <role>", "what the person may do (default: member)").choices([...roles]))
    .option("--group <name...>", "groups, which access rules name")
    .action((name: string, options: InviteOptions & Json) =>
      run(async (context) => (await import("../commands/identity/token.ts")).invite(context, name, options), options),
    );
  program
    .command("login [url]")
    .description("keep a server's address and a token for the other commands; the token is asked for, or piped in")
    .action((url: string | undefined, options: Json) =>
      run(async (context) => (await import("../commands/identity/login.ts")).login(context, url), options),
    );
}

function addSecrets(program: Command, run: Run): void {
  const secret = program.command("secret").description("values that no file may hold");
  const environment = (): Option => environmentOption("this environment's own value (default: every environment)");
  secret
    .command("set <name>")
    .description("set a value: piped in, or typed when asked")
    .addOption(repositoryOption())
    .addOption(environment())
    .action((name: string, options: SecretOptions & Json) =>
      run(async (context) => (await import("../commands/secret.ts")).setSecret(context, name, options), options),
    );
  secret
    .command("list")
    .description("list the names")
    .addOption(repositoryOption())
    .addOption(environmentOption("only this environment's own"))
    .action((options: SecretOptions & Json) =>
      run(async (context) => (await import("../commands/secret.ts")).listSecrets(context, options), options),
    );
  secret
    .command("rm <name>")
    .description("remove a value")
    .addOption(repositoryOption())
    .addOption(environment())
    .action((name: string, options: SecretOptions & Json) =>
      run(async (context) => (await import("../commands/secret.ts")).removeSecret(context, name, options), options),
    );
}

function addTokens(program: Command, run: Run): void {
  const token = program.command("token").description("what programs sign in with");
  token
    .command("create <name>")
    .description("create a token and print it, this once")
    .addOption(new Option("--role <role>", "at most your own, which is the default").choices([...roles]))
    .option("--expires-in-days <number>", "when it ends (default: never)", wholeNumber)
    .option("--service", "it acts under its own name instead of yours")
    .action((name: string, { json = false, ...options }: TokenOptions & Json) =>
      run(async (context) => (await import("../commands/identity/token.ts")).createToken(context, name, options), {
        json,
      }),
    );
  token
    .command("list")
    .description("list your tokens")
    .action((options: Json) =>
      run(async (context) => (await import("../commands/identity/token.ts")).listTokens(context), options),
    );
  token
    .command("revoke <id>")
    .description("end a token")
    .action((id: string, options: Json) =>
      run(async (context) => (await import("../commands/identity/token.ts")).revokeToken(context, id), options),
    );
}
