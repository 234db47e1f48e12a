import type { Command } from "commander";
import type { ConnectOptions } from "../commands/server.ts";
import type { ServeFlags } from "../commands/running/serve.ts";
import { portNumber, type Json, type Run } from "./options.ts";

/** Commands that run a server, prepare a folder for one, or tell one what to watch. */
export function addServerCommands(program: Command, run: Run): void {
  serverOptions(program.command("demo").description("run a server with a sample repository, to try it out")).action(
    (options: ServeFlags & Json) =>
      run(async (context) => (await import("../commands/running/demo.ts")).demoUntilStopped(context, options), options),
  );
  serverOptions(program.command("serve").description("run the server")).action((options: ServeFlags & Json) =>
    run(async (context) => (await import("../commands/running/serve.ts")).serveUntilStopped(context, options), options),
  );
  program
    .command("gateway")
    .description("run a gateway of its own, beside servers on the same database")
    .option("--data <folder>", "where it keeps its own logs", ".waybill-gateway")
    .option("-p, --port <number>", "where requests are answered", portNumber, 8080)
    .option("--config <file>", "the servers' settings (schemas/server.schema.json)")
    .action((options: ServeFlags & Json) =>
      run(async (context) => (await import("../commands/running/gateway.ts")).runGateway(context, options), options),
    );
  program
    .command("init")
    .description("look at this folder and write its first deployment file")
    .action((options: Json) => run(async (context) => (await import("../commands/init.ts")).init(context), options));
  const imports = program.command("import").description("write deployment files of another product's files");
  for (const [product, what] of Object.entries(products)) {
    imports
      .command(`${product} [files...]`)
      .description(what)
      .action((files: readonly string[], options: Json) =>
        run(async (context) => {
          const { importDeployments } = await import("../commands/import.ts");
          await importDeployments(context, product as keyof typeof products, files);
        }, options),
      );
  }
  program
    .command("validate [path]")
    .description("check deployment files, without a server")
    .action((path: string | undefined, options: Json) =>
      run(async (context) => (await import("../commands/validate.ts")).validate(context, path), options),
    );
  program
    .command("connect <url>")
    .description("watch a repository hosted elsewhere")
    .option("--name <name>", "what to call it (default: the last part of the URL)")
    .option("--credentials", "ask for, or read from a pipe, user:password or a token for its host")
    .option("--new-secret", "make another webhook secret; the one before is valid for another day")
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

const serverOptions = (command: Command): Command =>
  command
    .option("--data <folder>", "where everything is kept", ".waybill")
    .option("-p, --port <number>", "where requests are answered", portNumber, 8080)
    .option("--config <file>", "settings (schemas/server.schema.json)")
    .option("--stop-workloads", "when the server stops, what it runs stops too");

const products = {
  prefect: "deployments of prefect.yaml or deployment.yaml, as jobs",
  saturn: "recipes of Saturn Cloud's deployments and jobs",
};
