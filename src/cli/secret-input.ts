import { isUtf8 } from "node:buffer";
import type { Terminal } from "./terminal.ts";
import { WaybillError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";

const maxBytes = 1024 * 1024;
const controlC = "\u0003";
const controlD = "\u0004";

/** Reads a value that no shell history and no process list shall show: from a pipe, or typed without being shown. */
export async function readSecret(terminal: Terminal, prompt: string): Promise<Secret> {
  const value = terminal.stdin.isTTY ? await typed(terminal, prompt) : await piped(terminal);
  if (value === "") throw new WaybillError("USAGE", "the value is empty: pipe it in, or type it when asked");
  return new Secret(value);
}

/** The whole of standard input; the newline that `echo` and editors add is not part of the value. */
async function piped({ stdin }: Terminal): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    total += bytes.byteLength;
    if (total > maxBytes) throw new WaybillError("USAGE", `the value is larger than ${maxBytes} bytes`);
    chunks.push(bytes);
  }
  const bytes = Buffer.concat(chunks);
  if (!isUtf8(bytes)) {
    throw new WaybillError("USAGE", "the value is not UTF-8 text: for bytes, pipe their base64 in (base64 -w0 FILE)");
  }
  return bytes.toString("utf8").replace(/\r?\n$/, "");
}

async function typed({ stdin, err }: Terminal, prompt: string): Promise<string> {
  err(prompt);
  stdin.setRawMode?.(true);
  stdin.setEncoding("utf8");
  stdin.resume();
  let value = "";
  try {
    for await (const chunk of stdin) {
      for (const key of String(chunk)) {
        if (key === "\r" || key === "\n" || key === controlD) return value;
        if (key === controlC) throw new WaybillError("USAGE", "given up: nothing was changed");
        value = key === "\u007F" || key === "\b" ? value.slice(0, -1) : value + key;
      }
    }
    return value;
  } finally {
    stdin.setRawMode?.(false);
    stdin.pause();
  }
}
