import { WaybillError } from "../../core/errors.ts";
import { stackKey } from "../../core/stack.ts";
import type { HttpDependencies } from "../dependencies.ts";
import { json, noContent, type Route } from "../route.ts";
import { deploymentRoot, stackOf } from "./deployments.ts";

const path = `${deploymentRoot}/stack`;
// Room for a state of thousands of resources.
const maxStateBytes = 64 * 1024 * 1024;

/** A deployment's Pulumi state, for whoever moves it to another engine or another backend. */
export function stackRoutes({ stacks }: HttpDependencies): readonly Route[] {
  return [
    {
      method: "GET",
      path,
      audience: "admin",
      voice: "api",
      summary: "A deployment's Pulumi state, as `pulumi stack export` has it",
      query: { showSecrets: { type: "boolean", description: "Secrets as plain text, for another engine to import." } },
      answer: { status: 200, schema: "StackState" },
      async handle(call) {
        const showSecrets = readFlag(call.url.searchParams.get("showSecrets"));
        const stack = stackOf(call);
        const state = await stacks.export(stack, { showSecrets });
        if (state === null) throw new WaybillError("NOT_FOUND", `${stackKey(stack)} has no state: nothing was applied`);
        return json(state);
      },
    },
    {
      method: "PUT",
      path,
      audience: "admin",
      voice: "api",
      summary: "Replace a deployment's Pulumi state; what it names is left as it is",
      body: "StackState",
      maxBodyBytes: maxStateBytes,
      takesAnyText: true,
      answer: { status: 204 },
      async handle(call) {
        await stacks.import(stackOf(call), call.body);
        return noContent();
      },
    },
  ];
}

function readFlag(text: string | null): boolean {
  if (text === null || text === "false") return false;
  if (text === "true") return true;
  throw new WaybillError("REQUEST_INVALID", `showSecrets is "${text.slice(0, 80)}"; wanted is true or false`);
}
