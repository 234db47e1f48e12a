import { WaybillError } from "../core/errors.ts";
import type { QueryParameter } from "./route.ts";

const defaultLimit = 100;
const maxLimit = 500;

export const pageQuery = {
  limit: { type: "integer", description: `At most ${maxLimit}; ${defaultLimit} by default.` },
  cursor: { type: "string", description: "The `next` of the page before." },
} as const satisfies Record<string, QueryParameter>;

export interface PageRequest {
  readonly limit: number;
  /** The key after which the page starts; null for the first page. */
  readonly after: string | null;
}

export function readPage(query: URLSearchParams): PageRequest {
  return {
    limit: readInteger(query, "limit", { min: 1, max: maxLimit }) ?? defaultLimit,
    after: readCursor(query.get("cursor")),
  };
}

/** An integer of the query within its bounds; null when it is absent. */
export function readInteger(query: URLSearchParams, name: string, bounds: { min: number; max: number }): number | null {
  const text = query.get(name);
  if (text === null) return null;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= bounds.min && value <= bounds.max) return value;
  throw new WaybillError(
    "REQUEST_INVALID",
    `${name} is ${JSON.stringify(text.slice(0, 40))}, not a whole number from ${bounds.min} to ${bounds.max}`,
  );
}

function readCursor(cursor: string | null): string | null {
  if (cursor === null) return null;
  const key = Buffer.from(cursor, "base64url").toString("utf8");
  if (key === "" || toCursor(key) !== cursor) {
    throw new WaybillError("REQUEST_INVALID", "cursor is not the `next` of an earlier page");
  }
  return key;
}

/** Opaque to clients, so that what it holds may change. */
export const toCursor = (key: string): string => Buffer.from(key, "utf8").toString("base64url");

/** One page of rows in the order of their keys. */
export function pageOf<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  page: PageRequest,
): { rows: readonly Row[]; next: string | null } {
  const keyed = rows
    .map((row) => ({ row, key: keyOf(row) }))
    .sort((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)));
  const { after } = page;
  const left = after === null ? keyed : keyed.filter(({ key }) => key > after);
  const shown = left.slice(0, page.limit);
  const last = shown.at(-1);
  return { rows: shown.map(({ row }) => row), next: last && left.length > shown.length ? toCursor(last.key) : null };
}
