import type { Duplex } from "node:stream";
import { makeByteSource, type ByteSource } from "../../git/objects/byte-source.ts";
import { quarantineVariables } from "./hook.ts";
import { idOrNull } from "./opening.ts";
import type { RefUpdate } from "../push-gate.ts";

/** What the hook says when it starts. */
export interface HookCall {
  readonly env: Readonly<Record<string, string>>;
  readonly updates: readonly RefUpdate[];
}

/** Serves one push's hook: shows the lines it is given, and accepts or refuses. A hook that is gone is shown nothing. */
export async function serveHook(
  channel: Duplex,
  decide: (call: HookCall, line: (text: string) => void) => Promise<boolean>,
): Promise<void> {
  channel.on("error", () => undefined);
  const say = (text: string): void => {
    if (channel.writable) channel.write(`${text}\n`);
  };
  const call = await readCall(makeByteSource(channel)).catch(() => null);
  if (call === null) return;
  const isAccepted = await decide(call, (text) => printableLines(text).forEach((line) => say(`>${line}`)));
  say(`exit ${isAccepted ? 0 : 1}`);
  channel.end(() => channel.destroy());
}

async function readCall(source: ByteSource): Promise<HookCall | null> {
  const env: Record<string, string> = {};
  const updates: RefUpdate[] = [];
  for (let line = await source.line(); line !== null; line = await source.line()) {
    const [, keyword, rest = ""] = /^(\w+) ?(.*)$/.exec(line) ?? [];
    if (keyword === "end") return { env, updates };
    if (keyword === "env") Object.assign(env, readVariable(rest));
    if (keyword === "ref") updates.push(readUpdate(rest));
  }
  return null;
}

function readVariable(text: string): Record<string, string> {
  const name = quarantineVariables.find((variable) => text.startsWith(`${variable}=`));
  const value = text.slice((name?.length ?? 0) + 1);
  return name === undefined || value === "" ? {} : { [name]: value };
}

function readUpdate(text: string): RefUpdate {
  const [before = "", after = ""] = text.split(" ", 2);
  return { ref: text.slice(before.length + after.length + 2), before: idOrNull(before), after: idOrNull(after) };
}

// Text of a pushed file ends up in a terminal: nothing in it may move the cursor or change colours.
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export const printableLines = (text: string): string[] => text.split("\n").map((line) => line.replaceAll(controls, ""));
