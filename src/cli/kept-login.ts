import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Terminal } from "./terminal.ts";
import { WaybillError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";

/** Which server a command talks to, and as whom. */
export interface Login {
  readonly url: string;
  readonly token: Secret | null;
}

interface Kept {
  /** The server of the last login. */
  readonly current: string | null;
  readonly tokens: Readonly<Record<string, string>>;
}

const defaultUrl = "http://localhost:8080";

/** `$XDG_CONFIG_HOME/waybill/login.json`, or `~/.config/waybill/login.json` (XDG Base Directory Specification). */
export function loginFile(env: Terminal["env"]): string {
  return join(env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config"), "waybill", "login.json");
}

/** WAYBILL_URL and WAYBILL_TOKEN, or what `waybill login` kept. A kept token goes to the server that it is for only. */
export async function findLogin(env: Terminal["env"]): Promise<Login> {
  const kept = await readKept(loginFile(env));
  const url = normalUrl(env["WAYBILL_URL"] || kept.current || defaultUrl);
  const token = env["WAYBILL_TOKEN"] || (Object.hasOwn(kept.tokens, url) ? kept.tokens[url] : undefined);
  return { url, token: token ? new Secret(token) : null };
}

/** Keeps the token for this server, readable by its owner alone, and makes the server the current one. */
export async function keepLogin(env: Terminal["env"], url: string, token: Secret): Promise<string> {
  const file = loginFile(env);
  const kept = await readKept(file);
  const next: Kept = { current: url, tokens: { ...kept.tokens, [url]: token.reveal() } };
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  // Written aside and moved, so that no other command reads half of it.
  const aside = `${file}.${process.pid}`;
  await writeFile(aside, `${JSON.stringify(next, null, 2)}\n`, { mode: 0o600 });
  await rename(aside, file);
  return file;
}

/** Scheme, host and port, as the server's own addresses have them. */
export function normalUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url.origin;
  throw new WaybillError(
    "SETTINGS_INVALID",
    `${JSON.stringify(text)} is no server's address: wanted is something like ${defaultUrl}`,
  );
}

async function readKept(file: string): Promise<Kept> {
  const nothing: Kept = { current: null, tokens: {} };
  try {
    return { ...nothing, ...(JSON.parse(await readFile(file, "utf8")) as Partial<Kept>) };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return nothing;
    throw new WaybillError("SETTINGS_INVALID", `${file} cannot be read: remove it and log in again`, { cause });
  }
}
