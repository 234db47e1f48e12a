import { messageOf, WaybillError } from "../../core/errors.ts";
import { keepableText } from "../../core/text.ts";
import { isReference } from "../../spec/parameters/references.ts";
import type { ResolvedEvent } from "../../spec/resolved.ts";
import { runParameters } from "../parameters/values.ts";
import type { ParameterValues } from "../run.ts";
import type { Job } from "../store.ts";
import { whyAtRest } from "./chain.ts";

/** What an event means for one job. */
export type EventVerdict =
  | { readonly kind: "start"; readonly parameters: ParameterValues }
  | { readonly kind: "refuse"; readonly problem: string };

/** What a job makes of an event: its run's parameters, or all that is wrong with them. */
export function eventVerdict(job: Job, event: ResolvedEvent, body: Uint8Array): EventVerdict {
  const rest = whyAtRest(job);
  if (rest !== null) return { kind: "refuse", problem: rest };
  try {
    const values = eventValues(event, body);
    return { kind: "start", parameters: runParameters(job.workload.spec, { schedule: null, values }) };
  } catch (error) {
    if (error instanceof WaybillError && error.verdict === "rejected") {
      return { kind: "refuse", problem: messageOf(error) };
    }
    throw error;
  }
}

/** The values that the body has where the job looks for them. Throws PARAMETERS_INVALID. */
function eventValues({ parameters }: ResolvedEvent, body: Uint8Array): ParameterValues {
  const places = Object.entries(parameters);
  if (places.length === 0) return {};
  const document = parse(body);
  const found = places.flatMap(([name, pointer]) => {
    const value = valueAt(document, pointer);
    return value === undefined ? [] : [[name, value] as const];
  });
  const reference = found.find(([, value]) => isReference(value));
  // Whoever sends events would choose among the secrets.
  if (reference) throw invalid(`parameter ${reference[0]}: an event cannot name a secret`);
  return Object.fromEntries(found);
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw invalid(`the event's body is not JSON: ${keepableText(messageOf(error))}`);
  }
}

const invalid = (message: string): WaybillError => new WaybillError("PARAMETERS_INVALID", message);

/** RFC 6901; undefined where there is nothing. */
export function valueAt(document: unknown, pointer: string): unknown {
  let value = document;
  for (const part of pointer.split("/").slice(1)) {
    const step = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof value !== "object" || value === null) return undefined;
    // RFC 6901, section 4: an index has no leading zeros. A list's own other names are no part of the document.
    if (Array.isArray(value) && !/^(?:0|[1-9]\d*)$/.test(step)) return undefined;
    if (!Object.hasOwn(value, step)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[step];
  }
  return value;
}
