import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import { parseDuration } from "../../../spec/rules/quantities.ts";
import type { Terminal } from "../../terminal.ts";

export interface ParameterOptions {
  readonly param: readonly string[];
  readonly params?: string;
}

/** What `--params` and then `--param` say: the later wins. */
export async function readParameters(
  terminal: Terminal,
  { param, params }: ParameterOptions,
): Promise<Readonly<Record<string, unknown>>> {
  const document = params === undefined ? {} : parseDocument(await readDocument(terminal, params), params);
  return { ...document, ...Object.fromEntries(param.map(parsePair)) };
}

async function readDocument(terminal: Terminal, path: string): Promise<string> {
  if (path !== "-") {
    return readFile(resolve(terminal.cwd, path), "utf8").catch((cause: unknown) => {
      throw new WaybillError("USAGE", `--params ${path} cannot be read: ${messageOf(cause)}`, { cause });
    });
  }
  const chunks: Buffer[] = [];
  for await (const chunk of terminal.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

function parseDocument(text: string, path: string): Record<string, unknown> {
  const value = parseJson(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new WaybillError("USAGE", `--params ${path} holds no JSON object: wanted is {"name": value}`);
}

/** `epochs=3` is a number, `name=ranker` is text, `name="3"` is text too. */
function parsePair(pair: string): [string, unknown] {
  const at = pair.indexOf("=");
  if (at < 1) throw new WaybillError("USAGE", `--param ${JSON.stringify(pair)} has no value: wanted is NAME=VALUE`);
  const text = pair.slice(at + 1);
  const value = parseJson(text);
  return [pair.slice(0, at), value === undefined ? text : value];
}

/** Undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Seconds of `90s`, `5m`, `2h`. */
export function readDelay(text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== undefined) return seconds;
  throw new WaybillError("USAGE", `--in ${JSON.stringify(text)} is no duration: wanted is 90s, 5m, 2h or 1d`);
}
