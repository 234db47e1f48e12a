import { InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../spec/rules/quantities.ts";
import type { CommandContext } from "../command.ts";

/** Every command has it. */
export interface Json {
  readonly json?: boolean;
}

/** Carries a command out, with what every command is given. A number that it answers is the exit status. */
export type Run = (command: (context: CommandContext) => Promise<number | void>, options: Json) => Promise<void>;

export const repositoryOption = (): Option =>
  new Option("-r, --repository <name>", "which repository; by default the one that this folder pushes to");
export const environmentOption = (text = "which environment (default: production)"): Option =>
  new Option("-e, --environment <name>", text);

/** Reads a whole number of an option. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError("It is not a whole number.");
  return Number(text);
}

/** Reads a port, of which 0 stands for any that is free. */
export function portNumber(text: string): number {
  const port = wholeNumber(text);
  if (port <= 65_535) return port;
  throw new InvalidArgumentError("It is not a port, which is a number up to 65535.");
}

/** Reads a time, or how long ago it was: `15m`. */
export function moment(text: string): Date {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return new Date(Date.now() - seconds * 1_000);
  const time = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(time)) return new Date(time);
  throw new InvalidArgumentError("It is neither how long ago, such as 15m, nor a time such as 2026-03-01T12:00:00Z.");
}
