import type { Command } from "commander";
import type { Choice } from "../repository-choice.ts";
import type { HistoryOptions } from "../commands/history.ts";
import type { LogsOptions } from "../commands/logs.ts";
import type { PlanOptions } from "../commands/plan.ts";
import type { EnvironmentOptions, RollbackOptions } from "../commands/environment.ts";
import { environmentOption, moment, repositoryOption, wholeNumber, type Json, type Run } from "./options.ts";

/** Commands about what is deployed. Each loads its code when it is called: a command line should answer at once. */
export function addDeploymentCommands(program: Command, run: Run): void {
  addViews(program, run);
  addEnvironmentActs(program, run);
  addDeploymentActs(program, run);
}

function addViews(program: Command, run: Run): void {
  program
    .command("status [name]")
    .description("show what is deployed, and how it is")
    .addOption(repositoryOption())
    .addOption(environmentOption("only this environment"))
    .action((name: string | undefined, options: Choice & Json) =>
      run(async (context) => (await import("../commands/status.ts")).status(context, name, options), options),
    );
  program
    .command("logs <name>")
    .description("print a deployment's log")
    .option("-f, --follow", "go on with what is said from now on")
    .option("-n, --lines <number>", "how many of the last lines", wholeNumber, 200)
    .option("-g, --grep <text>", "only lines that hold this text, letter for letter")
    .option("--since <time>", "only lines since then: 15m ago, or at 2026-03-01T12:00:00Z", moment)
    .option("-p, --previous", "what was said before the last start (in a cluster)")
    .option("--pod <name>", "only this pod: its name, or how that ends (in a cluster)")
    .addOption(repositoryOption())
    .addOption(environmentOption())
    .action((name: string, options: LogsOptions & Json) =>
      run(async (context) => (await import("../commands/logs.ts")).logs(context, name, options), options),
    );
  program
    .command("history [environment]")
    .description("list an environment's snapshots, newest first")
    .option("-n, --limit <number>", "how many", wholeNumber, 50)
    .addOption(repositoryOption())
    .action((environment: string | undefined, options: HistoryOptions & Json) =>
      run(async (context) => (await import("../commands/history.ts")).history(context, environment, options), options),
    );
  program
    .command("plan")
    .description("show what a commit of this folder would change")
    .addOption(repositoryOption())
    .addOption(environmentOption())
    .action((options: PlanOptions & Json) =>
      run(async (context) => (await import("../commands/plan.ts")).plan(context, options), options),
    );
}

function addEnvironmentActs(program: Command, run: Run): void {
  program
    .command("rollback <environment>")
    .description("go back to an earlier snapshot; the environment is then on hold")
    .option("--to <number>", "the snapshot (default: the newest before the active one that did not fail)")
    .option("--only <name>", "take back this deployment alone")
    .option("--note <text>", "why, for the history")
    .addOption(repositoryOption())
    .action((environment: string, options: RollbackOptions & Json) =>
      run(
        async (context) => (await import("../commands/environment.ts")).rollback(context, environment, options),
        options,
      ),
    );
  program
    .command("hold <environment>")
    .description("take no new snapshot until released")
    .option("--note <text>", "why")
    .addOption(repositoryOption())
    .action((environment: string, options: EnvironmentOptions & { note?: string } & Json) =>
      run(async (context) => (await import("../commands/environment.ts")).hold(context, environment, options), options),
    );
  program
    .command("release <environment>")
    .description("end a hold, and let go what waits for a person")
    .addOption(repositoryOption())
    .action((environment: string, options: EnvironmentOptions & Json) =>
      run(
        async (context) => (await import("../commands/environment.ts")).release(context, environment, options),
        options,
      ),
    );
}

const actions = {
  pause: "stop a deployment until it is resumed, whatever is deployed meanwhile",
  resume: "end a pause",
  restart: "start the same revision anew",
} as const;

function addDeploymentActs(program: Command, run: Run): void {
  for (const what of ["pause", "resume", "restart"] as const) {
    const command = program.command(`${what} <name>`).description(actions[what]);
    if (what === "pause") command.option("--note <text>", "why");
    command
      .addOption(repositoryOption())
      .addOption(environmentOption())
      .action((name: string, options: Choice & { note?: string } & Json) =>
        run(
          async (context) => (await import("../commands/deployment.ts")).act(context, name, { ...options, what }),
          options,
        ),
      );
  }
  program
    .command("open <name>")
    .description("print a deployment's address, and open it in a browser")
    .addOption(repositoryOption())
    .addOption(environmentOption())
    .action((name: string, options: Choice & Json) =>
      run(
        async (context) => (await import("../commands/deployment.ts")).openDeployment(context, name, options),
        options,
      ),
    );
}
