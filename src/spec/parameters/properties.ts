export type Properties = Readonly<Record<string, unknown>>;

/** What a schema says of each key of a map, by name (JSON Schema 2020-12, Core, 10.3.2.1). */
export function propertiesOf(schema: object): Properties {
  const { properties } = schema as { readonly properties?: unknown };
  return typeof properties === "object" && properties !== null ? (properties as Properties) : {};
}

/** What it says of one of them; nothing where it does not know it. */
export function propertyOf(schema: object, name: string): Properties {
  const properties = propertiesOf(schema);
  const found = Object.hasOwn(properties, name) ? properties[name] : null;
  return typeof found === "object" && found !== null ? (found as Properties) : {};
}
