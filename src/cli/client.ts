import type { ErrorCode } from "../core/errors.ts";
import type { Login } from "./kept-login.ts";
import { errorTable, messageOf, WaybillError } from "../core/errors.ts";

/** The server's API, as every client sees it. Each failure is a WaybillError with the server's own code. */
export interface Client {
  readonly url: string;
  get<Answer>(path: string): Promise<Answer>;
  send<Answer>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<Answer>;
  /** Every row of a list, page after page. */
  list<Row>(path: string, key: string): Promise<readonly Row[]>;
  /** The lines of an answer as they come. */
  lines(path: string): AsyncIterable<string>;
}

type Query = Readonly<Record<string, string | undefined>>;

/** A path under /api/v1; each part and value is escaped. */
export function apiPath(parts: readonly string[], query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, value);
  return `/api/v1/${parts.map(encodeURIComponent).join("/")}${search.size === 0 ? "" : `?${search.toString()}`}`;
}

const pageLimit = "500";

export function makeClient({ url, token }: Login, signal: AbortSignal): Client {
  async function request(method: string, path: string, body?: unknown): Promise<Response> {
    const headers = {
      accept: "application/json",
      ...(token && { authorization: `Bearer ${token.reveal()}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    const init = {
      method,
      headers,
      signal,
      redirect: "manual" as const,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    const response = await fetch(new URL(path, url), init).catch((cause: unknown) => {
      throw unreachable(url, cause);
    });
    if (!response.ok) throw await errorOf(response, url);
    return response;
  }

  async function send<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await request(method, path, body);
    if (response.status === 204) return undefined as Answer;
    return readJson<Answer>(response, url);
  }

  return {
    url,
    get: (path) => send("GET", path),
    send,
    async list<Row>(path: string, key: string) {
      const rows: Row[] = [];
      let cursor: string | null = null;
      do {
        const page = new URL(path, url);
        page.searchParams.set("limit", pageLimit);
        if (cursor !== null) page.searchParams.set("cursor", cursor);
        const answer: Record<string, unknown> = await send("GET", page.pathname + page.search);
        rows.push(...((answer[key] ?? []) as Row[]));
        cursor = typeof answer["next"] === "string" ? answer["next"] : null;
      } while (cursor !== null);
      return rows;
    },
    async *lines(path) {
      const response = await request("GET", path);
      yield* splitLines(response, url);
    },
  };
}

async function* splitLines(response: Response, url: string): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const chunk of response.body ?? []) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = parts.pop() ?? "";
      yield* parts;
    }
  } catch (cause) {
    throw unreachable(url, cause);
  }
  if (rest !== "") yield rest;
}

async function readJson<Answer>(response: Response, url: string): Promise<Answer> {
  try {
    return (await response.json()) as Answer;
  } catch (cause) {
    throw new WaybillError("SERVER_UNREACHABLE", `${url} answers, but not as Waybill does: is this its address?`, {
      cause,
    });
  }
}

async function errorOf(response: Response, url: string): Promise<WaybillError> {
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("application/problem+json")) {
    return new WaybillError(
      "SERVER_UNREACHABLE",
      `${url} answers ${response.status}, but not as Waybill does: is this its address?`,
    );
  }
  const problem = await readJson<{ code?: string; detail?: string; requestId?: string }>(response, url);
  const detail = problem.detail ?? "";
  if (problem.code === "SIGN_IN_REQUIRED") {
    return new WaybillError("SIGN_IN_REQUIRED", `${url} does not know you: run "waybill login", or set WAYBILL_TOKEN`);
  }
  if (isKnown(problem.code)) {
    const isBug = errorTable[problem.code].verdict === "bug";
    return new WaybillError(problem.code, isBug ? `${detail}: ${problem.requestId ?? "(none)"}` : detail);
  }
  // A newer server has codes that this version does not: its status says what kind they are.
  const code = response.status < 500 ? "REQUEST_INVALID" : "SERVER_UNREACHABLE";
  return new WaybillError(code, `${problem.code ?? response.status} ${detail}`);
}

const isKnown = (code: string | undefined): code is ErrorCode => code !== undefined && Object.hasOwn(errorTable, code);

function unreachable(url: string, thrown: unknown): WaybillError {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  const code = (cause as NodeJS.ErrnoException).code ?? messageOf(cause);
  const isLocal = new URL(url).hostname === "localhost";
  const remedy = isLocal
    ? 'start it by "waybill serve", or say where it is: WAYBILL_URL, or "waybill login URL"'
    : "look at the address and the network, then try again";
  return new WaybillError("SERVER_UNREACHABLE", `${url} does not answer (${code}): ${remedy}`, { cause: thrown });
}
