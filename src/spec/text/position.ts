import type { LineCounter, Node } from "yaml";
import { isAlias, isMap, isScalar, isSeq } from "yaml";
import type { Finding } from "../problem.ts";
import { keyText } from "./careful-node.ts";

export interface Position {
  readonly line: number;
  readonly column: number;
}

interface Anchored {
  readonly root: Node | null;
  readonly lines: LineCounter;
}

/** Where a finding stands in its document: what it names, or the nearest thing around it that is written. */
export function locate({ root, lines }: Anchored, { path, at }: Pick<Finding, "path" | "at">): Position {
  let node: Node | null = root;
  let offset = offsetOf(root) ?? 0;
  for (const [index, step] of path.entries()) {
    const container = follow(node, root);
    const isLast = index === path.length - 1;
    if (isMap(container)) {
      const pair = container.items.find(({ key }) => keyText(key) === step);
      if (pair === undefined) break;
      const value = pair.value as Node | null;
      const wantsKey = (isLast && at === "key") || isEmpty(value);
      offset = (wantsKey ? undefined : offsetOf(value)) ?? offsetOf(pair.key as Node) ?? offset;
      node = value;
    } else if (isSeq(container)) {
      const item = container.items[Number(step)] as Node | undefined;
      if (item === undefined) break;
      offset = offsetOf(item) ?? offset;
      node = item;
    } else break;
  }
  return positionAt(lines, offset);
}

export function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function offsetOf(node: Node | null | undefined): number | undefined {
  return node?.range?.[0];
}

/** A key without a value: what is wrong is best shown at the key. */
function isEmpty(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.source === "" && node.type === "PLAIN");
}

function follow(node: Node | null, root: Node | null): Node | null {
  if (!isAlias(node)) return node;
  return findAnchor(root, node.source, offsetOf(node) ?? 0);
}

/** The last node before `limit` with that anchor. */
function findAnchor(root: Node | null, anchor: string, limit: number): Node | null {
  let found: Node | null = null;
  const pending: (Node | null | undefined)[] = [root];
  while (pending.length > 0) {
    const node = pending.pop();
    const offset = offsetOf(node);
    if (node === null || node === undefined || offset === undefined || offset >= limit) continue;
    const isLater = offset >= (offsetOf(found) ?? -1);
    if (!isAlias(node) && (node as { anchor?: string }).anchor === anchor && isLater) found = node;
    if (isMap(node)) pending.push(...node.items.flatMap(({ key, value }) => [key as Node, value as Node | null]));
    else if (isSeq(node)) pending.push(...(node.items as Node[]));
  }
  return found;
}
