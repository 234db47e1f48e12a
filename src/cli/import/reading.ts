import { formatPath, type Path } from "../../spec/problem.ts";

/** Something that a file says and that is not carried over as it stands, or that somebody must look at. */
export interface Note {
  readonly file: string;
  readonly line: number;
  /** `deployments[0].work_pool.name`. */
  readonly field: string;
  readonly message: string;
}

export interface Place {
  readonly file: string;
  readonly lineOf: (path: Path) => number;
  readonly notes: Note[];
}

/**
 * A map of another product's file, read key by key. What nobody asked for by the time of `rest` becomes a note, so that
 * nothing is lost in silence, whatever the file holds.
 */
export interface Reading {
  readonly has: (key: string) => boolean;
  /** The value, taken over as it is. */
  readonly take: (key: string) => unknown;
  /** As `take`, noted and undefined where it is something else. */
  readonly text: (key: string) => string | undefined;
  readonly number: (key: string) => number | undefined;
  readonly flag: (key: string) => boolean | undefined;
  readonly map: (key: string) => Reading | undefined;
  readonly list: (key: string) => readonly Reading[];
  /** What is there is not carried over, for this reason. */
  readonly drop: (key: string, why: string) => void;
  readonly note: (message: string, key?: string) => void;
  /** Notes, once, all that was not asked for. */
  readonly rest: () => void;
  readonly keys: () => readonly string[];
}

export const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function makeReading(value: Readonly<Record<string, unknown>>, path: Path, place: Place): Reading {
  const asked = new Set<string>();
  let isClosed = false;
  const inner: Reading[] = [];
  const at = (key?: string): Path => (key === undefined ? path : [...path, key]);
  const note = (message: string, key?: string): void => {
    place.notes.push({ file: place.file, line: place.lineOf(at(key)), field: formatPath(at(key)), message });
  };
  // An empty value says nothing.
  const has = (key: string): boolean => Object.hasOwn(value, key) && !isEmpty(value[key]);
  const take = (key: string): unknown => {
    asked.add(key);
    return has(key) ? value[key] : undefined;
  };
  function typed<Kind>(key: string, is: (found: unknown) => found is Kind, wanted: string): Kind | undefined {
    const found = take(key);
    if (found === undefined || is(found)) return found;
    note(`not carried over: ${wanted} was expected, found ${shown(found)}`, key);
    return undefined;
  }
  const open = (found: Readonly<Record<string, unknown>>, foundAt: Path): Reading => {
    const reading = makeReading(found, foundAt, place);
    inner.push(reading);
    return reading;
  };
  return {
    has,
    take,
    note,
    text: (key) => {
      const found = typed(key, isScalar, "text");
      return found === undefined ? undefined : String(found);
    },
    number: (key) => typed(key, (found) => typeof found === "number", "a number"),
    flag: (key) => typed(key, (found) => typeof found === "boolean", "true or false"),
    map(key) {
      const found = typed(key, isMap, "a map");
      return found && open(found, at(key));
    },
    list(key) {
      const found = typed(key, Array.isArray, "a list") as readonly unknown[] | undefined;
      return (found ?? []).flatMap((item, index) => {
        if (isMap(item)) return [open(item, [...at(key), index])];
        if (!isEmpty(item)) note(`not carried over: a map was expected, found ${shown(item)}`, key);
        return [];
      });
    },
    drop(key, why) {
      if (take(key) !== undefined) note(`not carried over: ${why}`, key);
    },
    rest() {
      if (isClosed) return;
      isClosed = true;
      for (const key of Object.keys(value)) {
        if (!asked.has(key) && has(key)) note(`not carried over: Waybill has nothing of the kind`, key);
      }
      for (const reading of inner) reading.rest();
    },
    keys: () => Object.keys(value).filter(has),
  };
}

/** The maps of a document or a list; what is none is noted. */
export function mapsOf(value: unknown, place: Place): readonly Reading[] {
  const items = Array.isArray(value)
    ? value.map((item: unknown, index) => ({ item, path: [index] }))
    : [{ item: value, path: [] }];
  return items.flatMap(({ item, path }) => {
    if (isMap(item)) return [makeReading(item, path, place)];
    makeReading({}, path, place).note(`not carried over: a map was expected, found ${shown(item)}`);
    return [];
  });
}

const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === "string" || typeof value === "number" || typeof value === "boolean";

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
