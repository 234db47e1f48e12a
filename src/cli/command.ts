import type { Client } from "./client.ts";
import type { Terminal } from "./terminal.ts";

/** What every command is given. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** One JSON document on standard output, and nothing else there. */
  readonly json: boolean;
  /** The server that the environment, or the last login, names. */
  readonly connect: () => Promise<Client>;
  readonly now: () => Date;
}

/** The scripts' form or the people's form of the same answer. */
export function answer({ terminal, json }: CommandContext, value: object, lines: readonly string[]): void {
  if (json) terminal.out(JSON.stringify(value, null, 2));
  else for (const line of lines) terminal.out(line);
}
