import assert from "node:assert/strict";
import { apiSchema } from "../../src/http/body.ts";
import { compileDefinitions } from "../../src/spec/schema/schema-check.ts";

interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly requestId: string;
}

const faultsOf = compileDefinitions(apiSchema)("Problem");

/** What the API answers where it refuses, checked against its description. */
export async function problemOf(response: Response): Promise<Problem> {
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  const problem = (await response.json()) as Problem;
  assert.deepEqual(faultsOf(problem), []);
  assert.equal(problem.status, response.status);
  return problem;
}
