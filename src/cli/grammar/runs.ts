import type { Command } from "commander";
import type { Choice } from "../repository-choice.ts";
import type { EventOptions } from "../commands/runs/event.ts";
import type { ExecuteOptions } from "../commands/runs/execute.ts";
import type { ListOptions } from "../commands/runs/list.ts";
import type { ScheduleOptions } from "../commands/runs/schedules.ts";
import type { StartOptions } from "../commands/runs/start.ts";
import { environmentOption, repositoryOption, wholeNumber, type Json, type Run } from "./options.ts";

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** Commands about jobs' runs. */
export function addRunCommands(program: Command, run: Run): void {
  addStart(program, run);
  addRuns(program, run);
  addSchedules(program, run);
}

function addStart(program: Command, run: Run): void {
  program
    .command("run <job>")
    .description("run a job as it is deployed")
    .option("-p, --param <name=value>", "a parameter: JSON where it is that, else text; may be repeated", collect, [])
    .option("--params <file>", "parameters as a JSON document; - reads standard input")
    .option("--name <text>", "a name for people")
    .option("--at <time>", "not before this time: 2026-01-31T18:00:00Z")
    .option("--in <duration>", "not before so much time has passed: 90s, 5m, 2h, 1d")
    .option("--callback <url>", "told by a POST when the run has ended")
    .option("-w, --watch", "print its log until it has ended; exit status 0 only when it completed")
    .addOption(repositoryOption())
    .addOption(environmentOption())
    .action((job: string, options: StartOptions & Json) =>
      run(async (context) => (await import("../commands/runs/start.ts")).start(context, job, options), options),
    );
  program
    .command("execute <file>")
    .description("run a job's file from this folder, on this machine, without a server")
    .option("-p, --param <name=value>", "a parameter; may be repeated", collect, [])
    .option("--params <file>", "parameters as a JSON document; - reads standard input")
    .option("--job <name>", "which one, where the file has several")
    .option("--no-build", "leave out the file's build, which runs in this folder")
    .addOption(environmentOption("whose overlay to use (default: production)"))
    .action((file: string, options: ExecuteOptions & Json) =>
      run(async (context) => (await import("../commands/runs/execute.ts")).execute(context, file, options), options),
    );
}

function addRuns(program: Command, run: Run): void {
  program
    .command("runs [job]")
    .description("list runs, newest first")
    .option("-n, --limit <number>", "how many", wholeNumber, 20)
    .option("--state <states>", "only those in one of these states, separated by commas")
    .addOption(repositoryOption())
    .addOption(environmentOption("only this environment"))
    .action((job: string | undefined, options: ListOptions & Json) =>
      run(async (context) => (await import("../commands/runs/list.ts")).list(context, job, options), options),
    );
  program
    .command("run-log <run>")
    .description("print a run's log")
    .option("-f, --follow", "go on until the run has ended")
    .option("-n, --lines <number>", "how many of the last lines", wholeNumber, 200)
    .action((id: string, options: { follow?: boolean; lines: number } & Json) =>
      run(async (context) => (await import("../commands/runs/log.ts")).log(context, id, options), options),
    );
  program
    .command("cancel <run>")
    .description("end a run, or take it out of its queue")
    .action((id: string, options: Json) =>
      run(async (context) => (await import("../commands/runs/act.ts")).act(context, id, { what: "cancel" }), options),
    );
  program
    .command("retry <run>")
    .description("another attempt of a run that did not complete")
    .option("-w, --watch", "print its log until it has ended; exit status 0 only when it completed")
    .action((id: string, options: { watch?: boolean } & Json) =>
      run(
        async (context) => (await import("../commands/runs/act.ts")).act(context, id, { what: "retry", ...options }),
        options,
      ),
    );
  program
    .command("rerun <run>")
    .description("a new run with the same parameters")
    .option("--newest", "of what is deployed now, instead of what the run ran")
    .option("-w, --watch", "print its log until it has ended; exit status 0 only when it completed")
    .action((id: string, options: { watch?: boolean; newest?: boolean } & Json) =>
      run(
        async (context) => (await import("../commands/runs/act.ts")).act(context, id, { what: "rerun", ...options }),
        options,
      ),
    );
}

function addSchedules(program: Command, run: Run): void {
  program
    .command("schedules <job>")
    .description("show what starts a job by itself, and the runs that will come of its schedules")
    .option("--pause <schedule>", "pause this one until it is resumed, whatever is deployed meanwhile")
    .option("--resume <schedule>", "end its pause")
    .option("--note <text>", "why")
    .addOption(repositoryOption())
    .addOption(environmentOption())
    .action((job: string, options: ScheduleOptions & Choice & Json) =>
      run(async (context) => (await import("../commands/runs/schedules.ts")).schedules(context, job, options), options),
    );
  program
    .command("event <event>")
    .description("show an event that starts jobs: its address, and what came of it")
    .option("--new-secret", "make a secret to sign it with, shown once; the one before stays valid")
    .option("--end-former-secret", "only the newest secret is valid from now on")
    .addOption(repositoryOption())
    .addOption(environmentOption())
    .action((name: string, options: EventOptions & Json) =>
      run(async (context) => (await import("../commands/runs/event.ts")).event(context, name, options), options),
    );
}
