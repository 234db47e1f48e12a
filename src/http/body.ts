import { readFileSync } from "node:fs";
import { join } from "node:path";
import { WaybillError } from "../core/errors.ts";
import { packageRoot } from "../core/package-root.ts";
import { isKeepable, unkeepable } from "../core/text.ts";
import { compileDefinitions } from "../spec/schema/schema-check.ts";
import type { Route } from "./route.ts";

interface ApiSchema {
  readonly $id: string;
  readonly $defs: Readonly<Record<string, object>>;
}

/** schemas/api.schema.json: every body that the API takes or answers with. */
export const apiSchema = JSON.parse(readFileSync(join(packageRoot, "schemas/api.schema.json"), "utf8")) as ApiSchema;

const definition = compileDefinitions(apiSchema);

// Requests are small except a plan, which carries every deployment file of a repository.
const defaultMaxBodyBytes = 64 * 1024;

/** The body's bytes; refused at the first byte over the limit, whatever its headers promised. */
async function readBounded(request: Request, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of request.body ?? []) {
    total += chunk.byteLength;
    if (total > maxBytes) {
      throw new WaybillError("BODY_TOO_LARGE", `the body is larger than the ${maxBytes} bytes that this route takes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new WaybillError("REQUEST_INVALID", "the body is not UTF-8", { cause });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WaybillError("REQUEST_INVALID", "the body is not JSON", { cause });
  }
}

type WantedBody = Pick<Route, "maxBodyBytes" | "takesAnyText"> & { readonly body: string };

/** The JSON body, which has the shape of the definition. An absent body reads as `{}`. */
export async function readJsonBody(request: Request, wanted: WantedBody): Promise<unknown> {
  const { body: name, maxBodyBytes: maxBytes = defaultMaxBodyBytes, takesAnyText = false } = wanted;
  const text = decodeUtf8(await readBounded(request, maxBytes));
  const type = request.headers.get("content-type") ?? "";
  // A form can be posted across origins without a preflight, and a form is never JSON.
  if (text !== "" && !/^application\/(?:[\w.+-]+\+)?json\b/i.test(type)) {
    throw new WaybillError(
      "REQUEST_INVALID",
      `the body's content-type is "${type.slice(0, 80)}", not application/json`,
    );
  }
  const value = text === "" ? {} : parseJson(text);
  const fault = definition(name)(value)[0];
  if (fault) throw new WaybillError("REQUEST_INVALID", `body${fault.pointer}: ${fault.message}`);
  if (!takesAnyText) refuseUnkeepable(value);
  return value;
}

/** Said here with its place, for each field by itself, before a database refuses it without. */
function refuseUnkeepable(value: unknown): void {
  for (const [field, part] of Object.entries(value as object)) {
    const fault = unkeepable(part);
    if (fault !== null) throw new WaybillError("REQUEST_INVALID", `body/${field}: ${fault}`);
  }
}

/** Nothing is called by a name with NUL, and nothing can be looked for by it. Throws NOT_FOUND or REQUEST_INVALID. */
export function refuseNulIn({ pathname, search }: URL): void {
  if (pathname.includes("%00")) throw new WaybillError("NOT_FOUND", "there is nothing whose name holds %00");
  if (search.includes("%00")) throw new WaybillError("REQUEST_INVALID", "the query holds %00: leave it out");
}

/** The fields of a posted form; a field that is missing reads as the empty string. */
export async function readForm(request: Request, maxBytes = defaultMaxBodyBytes): Promise<(field: string) => string> {
  const fields = new URLSearchParams(decodeUtf8(await readBounded(request, maxBytes)));
  const fault = [...fields].find(([, text]) => !isKeepable(text));
  if (fault) throw new WaybillError("REQUEST_INVALID", `${fault[0]} holds the character U+0000: leave it out`);
  return (field) => fields.get(field) ?? "";
}
