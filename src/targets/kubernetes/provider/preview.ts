import type { Json, Properties } from "../../../engine/provider.ts";
import { isList, isMap, unknownValue } from "../../../engine/value/value.ts";
import type { KindName } from "../cluster/object.ts";
import { mapAt } from "./manifest.ts";

// What the server makes up for each dry run, and would make up anew for the real one.
const madeUpMetadata = ["uid", "resourceVersion", "creationTimestamp", "generation"];
const madeUpSpec = ["clusterIP", "clusterIPs", "healthCheckNodePort"];

/** What is known of an object that a dry run made: all but what every creation gets anew. */
export function previewOfCreate(outputs: Properties, inputs: Properties): Properties {
  const spec = mapAt(outputs, "spec");
  return {
    ...outputs,
    metadata: withUnknown(mapAt(outputs, "metadata"), madeUpMetadata),
    ...(isMap(outputs["spec"]) && { spec: { ...withUnknown(spec, madeUpFor(inputs)), ...nodePorts(spec, inputs) } }),
    status: unknownValue,
  };
}

/** What is known of an object that a dry run changed. Its status is what its controller makes of the change. */
export function previewOfUpdate(outputs: Properties): Properties {
  const metadata = withUnknown(mapAt(outputs, "metadata"), ["resourceVersion", "generation"]);
  return { ...outputs, metadata, ...(outputs["status"] !== undefined && { status: unknownValue }) };
}

/** Where there is nothing to ask, as the namespace or the kind is itself only about to be created. */
export function previewOfInputs({ kind }: KindName, inputs: Properties): Properties {
  const unknown = (keys: readonly string[]): Properties => Object.fromEntries(keys.map((key) => [key, unknownValue]));
  return {
    ...inputs,
    metadata: { ...mapAt(inputs, "metadata"), ...unknown(madeUpMetadata) },
    // A program that goes on with an address must not take it for absent.
    ...(kind === "Service" && { spec: { ...unknown(madeUpSpec), ...mapAt(inputs, "spec") } }),
    status: unknownValue,
  };
}

/** What the program itself asks for is known. */
const madeUpFor = (inputs: Properties): readonly string[] =>
  madeUpSpec.filter((key) => mapAt(inputs, "spec")[key] === undefined);

const withUnknown = (map: Properties, keys: readonly string[]): Properties =>
  Object.fromEntries(Object.entries(map).map(([key, value]) => [key, keys.includes(key) ? unknownValue : value]));

function nodePorts(spec: Properties, inputs: Properties): Properties {
  const { ports } = spec;
  if (!isList(ports)) return {};
  const wanted = mapAt(inputs, "spec")["ports"];
  const asked = (index: number): Json => {
    const port = isList(wanted) ? wanted[index] : undefined;
    return isMap(port) && port["nodePort"] !== undefined ? port["nodePort"] : unknownValue;
  };
  return {
    ports: ports.map((port, index) =>
      isMap(port) && port["nodePort"] !== undefined ? { ...port, nodePort: asked(index) } : port,
    ),
  };
}
