import type { Alias, Node, Pair, Scalar, YAMLMap, YAMLSeq } from "yaml";
import { isAlias, isMap, isPair, isScalar, isSeq } from "yaml";
import { isKeepable } from "../../core/text.ts";
import type { Path } from "../problem.ts";
import type { TextFault } from "./decode.ts";
import { maxDepth } from "./limits.ts";

export interface ReadNode {
  readonly value: unknown;
  readonly faults: readonly TextFault[];
  readonly ambiguous: readonly Path[];
  /** Where values, aliases followed, are nested too deep. */
  readonly deepAt: number | undefined;
}

interface Reader {
  readonly budget: { values: number };
  readonly faults: Map<string, TextFault>;
  readonly ambiguous: Path[];
  readonly path: (string | number)[];
  /** The anchors above, as far as reading has come. */
  readonly anchors: Map<string, Node>;
  /** What each alias stood for when it was first met: an anchor's name may be given again. */
  readonly targets: Map<Alias, Node>;
  /** The nodes around this one. */
  readonly open: Set<Node>;
  /** How many aliases are being followed. */
  repeating: number;
  deepAt: number | undefined;
}

/** The value of a tree as plain data. Each value, an alias's every time, is taken from the budget. */
export function readNode(root: Node | null, budget: { values: number }): ReadNode {
  const reader: Reader = {
    budget,
    faults: new Map(),
    ambiguous: [],
    path: [],
    anchors: new Map(),
    targets: new Map(),
    open: new Set(),
    repeating: 0,
    deepAt: undefined,
  };
  const value = root === null ? null : read(reader, root);
  return { value, faults: [...reader.faults.values()], ambiguous: reader.ambiguous, deepAt: reader.deepAt };
}

function fault(reader: Reader, node: unknown, code: TextFault["code"], message: string): undefined {
  const offset = offsetOf(node);
  // What an alias repeats is said once.
  reader.faults.set(`${offset} ${code}`, { offset, code, message });
}

function offsetOf(node: unknown): number {
  return (node as { range?: [number, number, number] | null } | null)?.range?.[0] ?? 0;
}

function read(reader: Reader, node: Node): unknown {
  reader.budget.values -= 1;
  if (reader.budget.values < 0) return undefined;
  if (isAlias(node)) return readAlias(reader, node);
  const anchor = (node as Scalar).anchor;
  if (anchor !== undefined && reader.repeating === 0) reader.anchors.set(anchor, node);
  const tag = (node as Scalar).tag;
  if (tag !== undefined) {
    return fault(
      reader,
      node,
      "YAML_TAG",
      `tags are not read: remove ${shorten(tag.replace("tag:yaml.org,2002:", "!!"))}`,
    );
  }
  if (isScalar(node)) return readScalar(reader, node);
  reader.open.add(node);
  if (reader.open.size > maxDepth) reader.deepAt ??= offsetOf(node);
  const value = reader.deepAt === undefined ? readCollection(reader, node) : undefined;
  reader.open.delete(node);
  return value;
}

function readCollection(reader: Reader, node: Node): unknown {
  if (isMap(node)) return readMap(reader, node);
  if (isSeq(node)) return readSeq(reader, node);
  return fault(reader, node, "YAML_INVALID", "this is neither a value, a list nor a map");
}

function readAlias(reader: Reader, alias: Alias): unknown {
  const target = reader.targets.get(alias) ?? reader.anchors.get(alias.source);
  if (target === undefined) {
    return fault(reader, alias, "YAML_ALIAS", `alias *${shorten(alias.source)} has no anchor above it`);
  }
  if (reader.open.has(target)) {
    return fault(
      reader,
      alias,
      "YAML_ALIAS",
      `alias *${shorten(alias.source)} stands within the value that it repeats`,
    );
  }
  reader.targets.set(alias, target);
  reader.repeating += 1;
  const value = read(reader, target);
  reader.repeating -= 1;
  return value;
}

function readScalar(reader: Reader, scalar: Scalar): unknown {
  const { value } = scalar;
  if (typeof value === "string") {
    if (!isKeepable(value)) {
      const message = "the text holds NUL or half a surrogate pair, which no program can be given: remove the escape";
      return fault(reader, scalar, "TEXT_CONTROL_CHARACTER", message);
    }
    return value;
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) {
      return fault(reader, scalar, "YAML_INVALID", `${shorten(scalar.source ?? "")} is not a finite number`);
    }
    if (String(value) !== scalar.source) reader.ambiguous.push([...reader.path]);
    return value;
  }
  return typeof value === "boolean" ? value : null;
}

function readSeq(reader: Reader, seq: YAMLSeq): unknown[] {
  const list: unknown[] = [];
  for (const item of seq.items) {
    if (reader.budget.values < 0 || reader.deepAt !== undefined) break;
    reader.path.push(list.length);
    // `[a: b]` is a list of one map.
    if (isPair(item)) list.push(fault(reader, item.key, "YAML_INVALID", "write a map in a list as {key: value}"));
    else list.push(read(reader, item as Node));
    reader.path.pop();
  }
  return list;
}

function readMap(reader: Reader, map: YAMLMap): Record<string, unknown> {
  const entries: Record<string, unknown> = {};
  for (const pair of map.items) {
    if (reader.budget.values < 0 || reader.deepAt !== undefined) break;
    const key = readKey(reader, pair);
    if (key === undefined) continue;
    if (Object.hasOwn(entries, key)) {
      fault(reader, pair.key, "KEY_DUPLICATE", `key "${shorten(key)}" stands twice in one map: remove one of the two`);
      continue;
    }
    reader.path.push(key);
    entries[key] = pair.value === null ? null : read(reader, pair.value as Node);
    reader.path.pop();
  }
  return entries;
}

/** A key as text: what is written, for a plain one. */
export function keyText(key: unknown): string | undefined {
  if (!isScalar(key)) return undefined;
  if (key.type !== "PLAIN") return typeof key.value === "string" ? key.value : undefined;
  return key.source === undefined || key.source === "" ? undefined : key.source;
}

function readKey(reader: Reader, { key }: Pair): string | undefined {
  const text = keyText(key);
  if (text === undefined || (key as Scalar).tag !== undefined) {
    return fault(reader, key, "KEY_NOT_TEXT", "a key must be text, without a tag, and may not be empty");
  }
  const anchor = (key as Scalar).anchor;
  if (anchor !== undefined && reader.repeating === 0) reader.anchors.set(anchor, key as Node);
  if (text === "<<" && (key as Scalar).type === "PLAIN") {
    const message = "merge keys are not read: write the keys out, or lay differences over in environments";
    return fault(reader, key, "YAML_MERGE_KEY", message);
  }
  if (text === "__proto__") return fault(reader, key, "KEY_FORBIDDEN", 'key "__proto__" is not allowed');
  if (!isKeepable(text)) {
    return fault(
      reader,
      key,
      "TEXT_CONTROL_CHARACTER",
      "the key holds NUL or half a surrogate pair: remove the escape",
    );
  }
  return text;
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
