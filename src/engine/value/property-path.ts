import type { Json, Properties } from "../provider.ts";
import { isList, isMap, isSecret } from "./value.ts";

/** `spec.containers[0].image`, `labels["a.b"]`, `*` for every key or element. */
export type PropertyPath = readonly (string | number)[];

const plainKey = /^[^.[\]"]+$/;

export function formatPath(path: PropertyPath): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (!plainKey.test(part)) text += `[${JSON.stringify(part)}]`;
    else text += text === "" ? part : `.${part}`;
  }
  return text;
}

const pathPart = /\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]|\.?([^.[\]"]+)/gy;

/** Null for what is not a path. */
export function parsePath(text: string): PropertyPath | null {
  const path: (string | number)[] = [];
  pathPart.lastIndex = 0;
  let end = 0;
  for (let found = pathPart.exec(text); found; found = pathPart.exec(text)) {
    const [, quoted, index, key] = found;
    if (quoted !== undefined) path.push(quoted.replaceAll(/\\(.)/g, "$1"));
    else if (index !== undefined) path.push(index === "*" ? "*" : Number(index));
    else if (key !== undefined) path.push(key);
    end = pathPart.lastIndex;
  }
  return end === text.length && path.length > 0 ? path : null;
}

/** True when `pattern` is `path` or stands above it, `*` matching any one part. */
export function covers(pattern: PropertyPath, path: PropertyPath): boolean {
  return pattern.length <= path.length && pattern.every((part, at) => part === "*" || part === path[at]);
}

/** Paths of all secrets, for a provider that gets its values plain. */
export function secretPathsOf(properties: Properties): readonly string[] {
  const found: string[] = [];
  const walk = (value: Json, path: PropertyPath): void => {
    if (isSecret(value)) found.push(formatPath(path));
    else if (isList(value)) value.forEach((item, index) => walk(item, [...path, index]));
    else if (isMap(value)) for (const [key, item] of Object.entries(value)) walk(item, [...path, key]);
  };
  walk(properties, []);
  return found;
}

/** `target` with what stands at `path` taken from `source`, also when it is absent there. */
export function takenFrom(target: Json, source: Json | undefined, path: PropertyPath): Json {
  const [part, ...rest] = path;
  if (part === undefined) return source ?? target;
  if (part === "*") {
    return keysOf(target, source).reduce<Json>((taken, key) => takenFrom(taken, source, [key, ...rest]), target);
  }
  if (isList(target) && typeof part === "number") return listWith(target, source, { part, rest });
  if (isMap(target) && !isSecret(target) && typeof part === "string") return mapWith(target, source, { part, rest });
  return target;
}

function keysOf(target: Json, source: Json | undefined): readonly (string | number)[] {
  if (isList(target)) return [...target.keys()];
  if (!isMap(target)) return [];
  return [...new Set([...Object.keys(target), ...Object.keys(isMap(source) ? source : {})])];
}

interface Step<Part> {
  readonly part: Part;
  readonly rest: PropertyPath;
}

function listWith(target: readonly Json[], source: Json | undefined, { part, rest }: Step<number>): Json {
  const from = isList(source) ? source[part] : undefined;
  const to = target[part];
  if (from === undefined || to === undefined) return target;
  return target.with(part, takenFrom(to, from, rest));
}

function mapWith(target: { readonly [key: string]: Json }, source: Json | undefined, step: Step<string>): Json {
  const { part, rest } = step;
  const from = isMap(source) && Object.hasOwn(source, part) ? source[part] : undefined;
  const to = Object.hasOwn(target, part) ? target[part] : undefined;
  if (rest.length > 0) {
    return to === undefined ? target : { ...target, [part]: takenFrom(to, from, rest) };
  }
  if (from !== undefined) return { ...target, [part]: from };
  return Object.fromEntries(Object.entries(target).filter(([key]) => key !== part));
}
