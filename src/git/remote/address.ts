import { withoutCredentials, type Secret } from "../../core/secret.ts";
import { WaybillError } from "../../core/errors.ts";
import type { GitSettings } from "../environment.ts";

export interface RemoteOptions {
  /** Repositories on this machine's disk: for tests only, since a file URL reads what the server can read. */
  readonly allowFileUrls?: boolean;
}

/** A remote as Git is given it: an address without secrets, and the settings that carry them. */
export interface Remote {
  readonly url: string;
  readonly settings: GitSettings;
}

const scpLike = /^([A-Za-z0-9._-]+)@([A-Za-z0-9._-]+):([^/:][^:]*)$/;

/**
 * Checks an address and takes it apart from its credentials. `credentials` is a token, or `user:password`.
 * Only schemes that cannot run a program; no host or path that a command line could take for an option.
 */
export function remote(text: string, credentials: Secret | null, options: RemoteOptions = {}): Remote {
  const url = new URL(parsed(text, options));
  if (url.password !== "" || (url.username !== "" && url.protocol !== "ssh:")) {
    throw invalid(text, "holds a password or a token. Give it apart from the address");
  }
  return { url: url.href, settings: [...fileSettings(url, options), ...headerSettings(url, credentials)] };
}

function parsed(text: string, { allowFileUrls = false }: RemoteOptions): string {
  const [, user, host, path] = scpLike.exec(text) ?? [];
  const address = user === undefined ? text : `ssh://${user}@${host}/${path}`;
  if (!URL.canParse(address)) throw invalid(text, "is not an address of a Git repository");
  const { protocol, hostname, pathname, search, hash } = new URL(address);
  const schemes = ["https:", "http:", "ssh:", ...(allowFileUrls ? ["file:"] : [])];
  if (!schemes.includes(protocol)) throw invalid(text, `has the scheme ${protocol} but must have https: or ssh:`);
  if (protocol !== "file:" && hostname === "") throw invalid(text, "names no host");
  if (hostname.startsWith("-") || /^\/*-/.test(pathname)) throw invalid(text, "starts a part with a dash");
  if (search !== "" || hash !== "") throw invalid(text, "has a query or a fragment");
  return address;
}

const fileSettings = (url: URL, { allowFileUrls = false }: RemoteOptions): GitSettings =>
  allowFileUrls && url.protocol === "file:" ? [["protocol.file.allow", "always"]] : [];

function headerSettings({ protocol, origin }: URL, credentials: Secret | null): GitSettings {
  if (!credentials || (protocol !== "https:" && protocol !== "http:")) return [];
  const value = credentials.reveal();
  // GitHub and Gitea take a token as the password of any user; x-access-token is the name that GitHub's apps need.
  const pair = value.includes(":") ? value : `x-access-token:${value}`;
  // For this host only: a redirect elsewhere must not carry it.
  return [[`http.${origin}/.extraHeader`, `Authorization: Basic ${Buffer.from(pair).toString("base64")}`]];
}

function invalid(text: string, what: string): WaybillError {
  return new WaybillError("REMOTE_URL_INVALID", `the address ${withoutCredentials(text)} ${what}.`);
}
