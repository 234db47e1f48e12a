import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import { WaybillError } from "../../core/errors.ts";
import type { Json, Properties } from "../provider.ts";
import type { Registration } from "../stack/registration.ts";
import type { AliasSpec } from "../value/urn.ts";
import { isList, isMap, secretSignature, signatureKey } from "../value/value.ts";
import type { StructMessage } from "./sdk.ts";

/** Decodes a request. Throws PROGRAM_UNSUPPORTED, by name, for whatever in it is not served. */
export function decodeRegistration(request: RegisterResourceRequest): Registration {
  const what = `${request.getType()} ${request.getName()}`;
  refuse(what, unservedOptions(request));
  return {
    type: request.getType(),
    name: request.getName(),
    custom: request.getCustom(),
    parent: request.getParent(),
    inputs: decodeStruct(request.getObject(), what),
    protect: request.getProtect() ?? false,
    dependencies: request.getDependenciesList(),
    propertyDependencies: Object.fromEntries(
      request
        .getPropertydependenciesMap()
        .toArray()
        .map(([key]) => [key, request.getPropertydependenciesMap().get(key)?.getUrnsList() ?? []]),
    ),
    provider: request.getProvider(),
    version: request.getVersion(),
    deleteBeforeReplace: request.getDeletebeforereplacedefined() ? request.getDeletebeforereplace() : null,
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    aliases: decodeAliases(request),
    retainOnDelete: request.getRetainondelete() ?? false,
    timeouts: decodeTimeouts(request),
  };
}

const unservedOptions = (request: RegisterResourceRequest): Record<string, boolean> => ({
  "remote components": request.getRemote(),
  "the option import": request.getImportid() !== "",
  "the option transforms": request.getTransformsList().length > 0,
  "the option hooks": request.getHooks() !== undefined,
  "the option deletedWith": request.getDeletedwith() !== "",
  "the option replaceWith": request.getReplaceWithList().length > 0,
  "the option replacementTrigger": request.getReplacementTrigger() !== undefined,
  "the option hideDiffs": request.getHidediffsList().length > 0,
  "the option envVarMappings": request.getEnvvarmappingsMap().getLength() > 0,
  "the option pluginDownloadURL": request.getPlugindownloadurl() !== "",
  "parameterized packages": request.getPackageref() !== "",
  "a customTimeouts of read": (request.getCustomtimeouts()?.getRead() ?? "") !== "",
});

/** Throws for the first feature in use. */
export function refuse(what: string, features: Readonly<Record<string, boolean>>): void {
  const used = Object.keys(features).find((feature) => features[feature] === true);
  if (used !== undefined) throw unsupported(what, used);
}

export const unsupported = (what: string, feature: string): WaybillError =>
  new WaybillError("PROGRAM_UNSUPPORTED", `${what} uses ${feature}, which this engine does not serve`);

/** Properties as the engine holds them. Refuses assets, archives and references, which are marked maps on the wire. */
export function decodeStruct(message: unknown, what: string): Properties {
  if (message === undefined || message === null) return {};
  const properties = (message as StructMessage).toJavaScript() as Properties;
  refuseMarked(properties, what);
  return properties;
}

function refuseMarked(value: Json, what: string): void {
  if (isList(value)) value.forEach((item) => refuseMarked(item, what));
  if (!isMap(value)) return;
  const signature = value[signatureKey];
  if (signature !== undefined && signature !== secretSignature) {
    throw unsupported(what, "an asset, an archive or a resource reference as a property");
  }
  for (const item of Object.values(value)) refuseMarked(item, what);
}

function decodeAliases(request: RegisterResourceRequest): readonly (string | AliasSpec)[] {
  const specs = request.getAliasesList().map((alias): string | AliasSpec => {
    const spec = alias.getSpec();
    if (!spec) return alias.getUrn();
    return {
      name: spec.getName(),
      type: spec.getType(),
      stack: spec.getStack(),
      project: spec.getProject(),
      parent: spec.getParenturn(),
      hasNoParent: spec.getNoparent(),
    };
  });
  return [...request.getAliasurnsList(), ...specs];
}

const durationPart = /(\d+(?:\.\d+)?)(ns|us|µs|ms|h|m|s)/g;
const secondsOf: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** Go's duration syntax (https://pkg.go.dev/time#ParseDuration), `1h30m`, to seconds. */
export function parseGoDuration(text: string): number | null {
  const parts = [...text.matchAll(durationPart)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) return null;
  return parts.reduce((seconds, [, amount, unit]) => seconds + Number(amount) * (secondsOf[unit ?? ""] ?? 0), 0);
}

function decodeTimeouts(request: RegisterResourceRequest): Registration["timeouts"] {
  const timeouts = request.getCustomtimeouts();
  const given = {
    create: timeouts?.getCreate() ?? "",
    update: timeouts?.getUpdate() ?? "",
    delete: timeouts?.getDelete() ?? "",
  };
  const entries = Object.entries(given).filter(([, text]) => text !== "");
  return Object.fromEntries(
    entries.map(([operation, text]) => {
      const seconds = parseGoDuration(text);
      if (seconds !== null) return [operation, seconds];
      throw new WaybillError(
        "PROGRAM_FAILED",
        `${request.getType()} ${request.getName()}: customTimeouts.${operation} is ${JSON.stringify(text)}; wanted is a duration like "30s" or "1h30m"`,
      );
    }),
  );
}
