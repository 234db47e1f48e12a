import type { ErrorObject, ValidateFunction } from "ajv/dist/2020.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Schema } from "./build.ts";

/** One schema, compiled twice: to say yes or no as fast as can be, and, when it is no, to say all that is wrong. */
export interface Validator {
  accepts(value: unknown): boolean;
  errors(value: unknown): readonly ErrorObject[];
}

const options = { strict: true, allowUnionTypes: true, strictRequired: false, validateFormats: false } as const;

/** Validators for the root of a schema (`#`) or for definitions in it (`#/$defs/service`). Each is compiled when first used. */
export function makeValidators(schema: Schema & { readonly $id: string }): (pointer: string) => Validator {
  const validators = new Map<string, Validator>();
  let quick: Ajv2020 | undefined;
  let thorough: Ajv2020 | undefined;
  const compiled = (ajv: Ajv2020, pointer: string): ValidateFunction => {
    const validate = ajv.getSchema(schema.$id + pointer);
    if (validate === undefined) throw new TypeError(`no schema ${schema.$id}${pointer}`);
    return validate;
  };
  return (pointer) => {
    const known = validators.get(pointer);
    if (known !== undefined) return known;
    quick ??= new Ajv2020(options).addSchema(schema);
    const accepts = compiled(quick, pointer);
    const validator: Validator = {
      accepts: (value) => accepts(value),
      errors: (value) => {
        thorough ??= new Ajv2020({ ...options, allErrors: true, verbose: true }).addSchema(schema);
        const validate = compiled(thorough, pointer);
        return validate(value) ? [] : (validate.errors ?? []);
      },
    };
    validators.set(pointer, validator);
    return validator;
  };
}
