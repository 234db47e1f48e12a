import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";

export interface DemoProcess {
  /** What it has printed until it was ready. */
  readonly said: readonly string[];
  /** What its terminal sends: SIGINT for Ctrl-C, SIGHUP when it is closed. Answers its exit status. */
  end(signal: "SIGINT" | "SIGHUP"): Promise<number | null>;
}

interface DemoCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a command that runs a demo, in a process group of its own as a terminal does; answers when it says `ready`. */
export async function startDemo({ command, args, cwd, env = process.env }: DemoCommand): Promise<DemoProcess> {
  const child = spawn(command, [...args], { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const errors: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const closed = once(child, "close");
  const said: string[] = [];
  const lines = createInterface({ input: child.stdout });
  for await (const line of lines) {
    said.push(line);
    if (line.startsWith("ready ")) break;
  }
  child.stdout.resume();
  assert.match(
    said.at(-1) ?? "",
    /^ready /,
    `the demo ended before it was ready: ${said.join("\n")}\n${errors.join("")}`,
  );
  return {
    said,
    async end(signal) {
      assert.ok(child.pid);
      process.kill(-child.pid, signal);
      const [status] = (await closed) as [number | null];
      return status;
    },
  };
}

/** The sign-in link that a demo has printed. */
export const linkIn = (said: readonly string[]): string =>
  said.map((line) => /^Sign in, once: +(http\S+)$/.exec(line)?.[1]).find((link) => link !== undefined) ?? "";

/** Follows the sign-in link as the page's button does; answers the session's cookie. */
export async function signInBy(link: string): Promise<string> {
  const url = new URL(link);
  const body = new URLSearchParams({ token: url.searchParams.get("token") ?? "" }).toString();
  const headers = {
    host: url.host,
    origin: url.origin,
    "content-type": "application/x-www-form-urlencoded",
    "content-length": body.length,
  };
  const port = Number(url.port);
  const outgoing = request({ host: "127.0.0.1", port, path: url.pathname, method: "POST", headers, agent: false });
  outgoing.end(body);
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  response.resume();
  assert.equal(response.statusCode, 303);
  return (response.headers["set-cookie"] ?? []).map((cookie) => cookie.split(";")[0]).join("; ");
}
