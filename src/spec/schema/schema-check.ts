import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

/** What is wrong with a value, and where: `pointer` is an RFC 6901 JSON pointer, empty for the value itself. */
export interface SchemaFault {
  readonly pointer: string;
  readonly message: string;
}

/** Answers the faults of a value; none when it has the shape. */
export type SchemaCheck = (value: unknown) => readonly SchemaFault[];

/** Checks of the `$defs` of one of our own schemas (JSON Schema 2020-12): `check("PlanRequest")`. Throws for an unknown name. */
export function compileDefinitions(schema: {
  readonly $id: string;
  readonly $defs: object;
}): (name: string) => SchemaCheck {
  const ajv = new Ajv2020({ allErrors: false, strict: true, allowUnionTypes: true });
  addFormats.default(ajv);
  ajv.addSchema(schema);
  return (name) => {
    const validate = ajv.getSchema(`${schema.$id}#/$defs/${name}`);
    if (!validate) throw new TypeError(`${schema.$id} has no definition ${name}`);
    return (value) => (validate(value) ? [] : (validate.errors ?? []).map(toFault));
  };
}

function toFault(error: ErrorObject): SchemaFault {
  const unknownKey: unknown = error.params["additionalProperty"];
  const message = error.message ?? "does not have the shape wanted";
  return {
    pointer: error.instancePath,
    message: typeof unknownKey === "string" ? `${message}: ${unknownKey}` : message,
  };
}
