import type { Duplex } from "node:stream";
import { makeByteSource, type ByteSource } from "../../git/objects/byte-source.ts";
import { hookNames, quarantineVariables, type HookName } from "./hooks.ts";
import type { RefUpdate } from "../push-gate.ts";

/** What a hook says when it starts. */
export interface HookCall {
  readonly hook: HookName;
  readonly env: Readonly<Record<string, string>>;
  readonly updates: readonly RefUpdate[];
}

/** Where the answer to a hook goes. Once the hook is gone, what is written goes nowhere. */
export interface HookReply {
  line(text: string): void;
  end(status: 0 | 1): void;
}

/** Serves one push's hooks, one after the other, until Git closes the channel. */
export async function serveHooks(
  channel: Duplex,
  answer: (call: HookCall, reply: HookReply) => Promise<void>,
): Promise<void> {
  // A hook that is gone is not an error: the push goes on without listeners.
  channel.on("error", () => undefined);
  const source = makeByteSource(channel);
  const say = (text: string): void => {
    if (channel.writable) channel.write(`${text}\n`);
  };
  const reply: HookReply = {
    line: (text) => printableLines(text).forEach((line) => say(`>${line}`)),
    end: (status) => say(`exit ${status}`),
  };
  for (;;) {
    const call = await readCall(source).catch(() => null);
    if (call === null) return;
    await answer(call, reply);
  }
}

async function readCall(source: ByteSource): Promise<HookCall | null> {
  let hook: HookName | undefined;
  const env: Record<string, string> = {};
  const updates: RefUpdate[] = [];
  for (let line = await source.line(); line !== null; line = await source.line()) {
    const [, keyword, rest = ""] = /^(\w+) ?(.*)$/.exec(line) ?? [];
    if (keyword === "end") return hook === undefined ? null : { hook, env, updates };
    if (keyword === "hook") hook = hookNames.find((name) => name === rest);
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

/** Git writes an absent object as zeros. */
const idOrNull = (id: string): string | null => (/^0+$/.test(id) ? null : id);

// Text of a pushed file ends up in a terminal: nothing in it may move the cursor or change colours.
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export const printableLines = (text: string): string[] => text.split("\n").map((line) => line.replaceAll(controls, ""));
