import { once } from "node:events";
import { isAbsolute, join } from "node:path";
import type { ServeOptions } from "../../../server/options.ts";
import type { CommandContext } from "../../command.ts";

export interface ServeFlags {
  readonly data: string;
  readonly port: number;
  readonly config?: string;
  readonly stopWorkloads?: boolean;
}

/** Serves until it is told to stop. Prints `ready URL` when requests are answered; the log goes to standard error. */
export async function serveUntilStopped(context: CommandContext, flags: ServeFlags): Promise<void> {
  const [{ serve }, { makeLogger }] = await Promise.all([
    import("../../../serve.ts"),
    import("../../../server/logger.ts"),
  ]);
  const { terminal, json } = context;
  // From here on, so that a signal during the start stops it in order too.
  const stopped = untilStopped(terminal.signal);
  const server = await serve(serveOptions(context, flags), makeLogger("stderr"));
  try {
    const signIn = server.firstSignIn?.reveal() ?? null;
    if (json) terminal.out(JSON.stringify({ url: server.url, signIn }));
    else if (signIn !== null) terminal.out(`Sign in as the first administrator, once: ${signIn}`);
    terminal.out(`ready ${server.url}`);
    void server.failed.then(({ code, message, exitStatus }) => {
      terminal.err(`${code}: ${message}`);
      // At once: to close in order takes time, in which another server is at the same work.
      process.exit(exitStatus);
    });
    await stopped;
  } finally {
    await server.close();
  }
}

/** What the flags mean in this folder. */
export function serveOptions(
  { terminal }: CommandContext,
  { data, port, config, stopWorkloads }: ServeFlags,
): ServeOptions {
  const inFolder = (path: string): string => (isAbsolute(path) ? path : join(terminal.cwd, path));
  return {
    data: inFolder(data),
    port,
    config: config === undefined ? null : inFolder(config),
    stopWorkloads: stopWorkloads ?? false,
  };
}

/** Ctrl-C, a service manager's SIGTERM, or the caller's signal. A second Ctrl-C ends the process at once, as ever. */
export async function untilStopped(
  signal: AbortSignal,
  stops: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM"],
): Promise<void> {
  if (signal.aborted) return;
  await Promise.race([...stops.map((name) => once(process, name)), once(signal, "abort")]);
}
