import { WaybillError } from "../../core/errors.ts";
import type { InvokeResult, Properties } from "../provider.ts";
import { packageOf } from "../value/urn.ts";
import { markedLike, revealedAll } from "../value/value.ts";
import type { Operation } from "./operation.ts";

interface Invocation {
  readonly token: string;
  readonly args: Properties;
  /** `URN::ID`, or empty for the default provider. */
  readonly provider: string;
  readonly version: string;
}
export type Invoke = (invocation: Invocation) => Promise<InvokeResult>;

/** A provider's function, called by the program. What it answers is secret where it repeats a secret argument. */
export function makeInvoke(operation: Operation): Invoke {
  return async ({ token, args, provider: explicit, version }) => {
    const reference = explicit || operation.providers.defaultReference(packageOf(token), version);
    const provider = await operation.providers.get(reference);
    if (!provider?.invoke) {
      throw new WaybillError("PROGRAM_UNSUPPORTED", `the program calls the function ${token}, which nobody serves`);
    }
    const answer = await provider.invoke({ token, args: revealedAll(args), signal: operation.signal });
    return { ...answer, result: markedLike(answer.result, args) };
  };
}
