import type { Finding } from "../problem.ts";

export function parameterProblems(_schema: unknown, _values: unknown): readonly Finding[] {
  return [];
}
