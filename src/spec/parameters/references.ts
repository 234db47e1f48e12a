import type { Finding } from "../problem.ts";
import { propertiesOf, type Properties } from "./properties.ts";

/** Parameters that are `writeOnly` (JSON Schema 2020-12, Validation, 9.4): secrets, whose values are never written down. */
export function secretNames(schema: object): readonly string[] {
  const isSecret = (property: unknown): boolean =>
    typeof property === "object" && property !== null && "writeOnly" in property && property.writeOnly === true;
  return Object.entries(propertiesOf(schema)).flatMap(([name, property]) => (isSecret(property) ? [name] : []));
}

/** The schema without what it says of secrets: the shape of a value is known to nobody before it is used. */
export function withoutSecrets(schema: object, secrets: readonly string[]): object {
  if (secrets.length === 0) return schema;
  const entries = Object.entries(propertiesOf(schema));
  const properties = Object.fromEntries(entries.map(([name, kept]) => [name, secrets.includes(name) ? {} : kept]));
  return { ...schema, properties };
}

/** What is given for a parameter that is a secret: the secret's name. */
export function isReference(value: unknown): value is { readonly secret: string } {
  if (typeof value !== "object" || value === null || Object.keys(value).length !== 1) return false;
  return "secret" in value && typeof value.secret === "string";
}

/** A secret's value must be a reference, `{secret: NAME}`. What stands there instead is not repeated. */
export function referenceProblems(secrets: readonly string[], values: unknown): readonly Finding[] {
  if (typeof values !== "object" || values === null) return [];
  const given = secrets.filter((name) => Object.hasOwn(values, name));
  return given
    .filter((name) => !isReference((values as Properties)[name]))
    .map((name) => ({
      path: [name],
      at: "value",
      code: "PARAMETER_INVALID",
      message: `${name} is a secret, and its value must not be written down: give {secret: NAME} instead, and set it by "waybill secret set NAME"`,
    }));
}
