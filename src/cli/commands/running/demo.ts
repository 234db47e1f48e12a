import type { CommandContext } from "../../command.ts";
import { serveOptions, untilStopped, type ServeFlags } from "./serve.ts";

/** A server with a sample repository, until Ctrl-C; then nothing of it is left running. Its data stays. */
export async function demoUntilStopped(context: CommandContext, flags: ServeFlags): Promise<void> {
  const [{ demo, demoLines }, { makeLogger }] = await Promise.all([
    import("../../../demo.ts"),
    import("../../../server/logger.ts"),
  ]);
  const { terminal, json } = context;
  // A closed terminal too: nobody would know of what goes on running. A server may be told to outlive it (nohup).
  const stopped = untilStopped(terminal.signal, ["SIGINT", "SIGTERM", "SIGHUP"]);
  const options = serveOptions(context, flags);
  const say = (line: string): void => (json ? undefined : terminal.out(line));
  const running = await demo(options, makeLogger({ file: `${options.data}/server.log` }), say);
  try {
    const { url, sample } = running;
    if (json) terminal.out(JSON.stringify({ url, signIn: running.signIn.reveal(), sample }));
    else for (const line of demoLines(running)) terminal.out(line);
    terminal.out(`ready ${url}`);
    await stopped;
  } finally {
    await running.close();
  }
}
