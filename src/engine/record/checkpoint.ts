import { createHash } from "node:crypto";
import { WaybillError } from "../../core/errors.ts";
import type { Json, Properties } from "../provider.ts";
import type { PendingOperation, ResourceState, SecretBox, UntypedDeployment } from "../state.ts";
import { asSecret, isList, isMap, isSecret, mapValues, secretSignature, signatureKey } from "../value/value.ts";

/** A stack's resources with their secrets in the clear: what the engine works on. */
export interface Checkpoint {
  readonly resources: readonly ResourceState[];
  readonly pending: readonly PendingOperation[];
}
export const emptyCheckpoint: Checkpoint = { resources: [], pending: [] };

// The format's version is that of the engine that wrote it; this is the one whose rules are followed.
const writtenBy = "v3.248.0";

/** How secrets are written: `ciphertext` by the box, or `plaintext` when there is none. */
interface Sealing {
  readonly scope: string;
  readonly secrets: SecretBox | null;
}

// A resource's state is never changed in place, so its encoded form can be kept as long as it lives.
type Encoder = (checkpoint: Checkpoint, time: Date) => UntypedDeployment;

export function makeEncoder({ scope, secrets }: Sealing): Encoder {
  const encoded = new WeakMap<ResourceState, ResourceState>();
  const seal = (value: Json): Json => {
    if (isSecret(value)) {
      const plaintext = JSON.stringify(value.value);
      return secrets === null
        ? { [signatureKey]: secretSignature, plaintext }
        : { [signatureKey]: secretSignature, ciphertext: secrets.encrypt(plaintext, scope) };
    }
    if (isList(value)) return value.map(seal);
    return isMap(value) ? mapValues(value, seal) : value;
  };
  const encode = (resource: ResourceState): ResourceState => {
    const known = encoded.get(resource);
    if (known) return known;
    const sealed = withProperties(resource, seal);
    encoded.set(resource, sealed);
    return sealed;
  };
  return ({ resources, pending }, time) => ({
    version: 3,
    deployment: {
      manifest: {
        time: time.toISOString(),
        magic: createHash("sha256").update(writtenBy).digest("hex"),
        version: writtenBy,
      },
      resources: resources.map(encode),
      ...(pending.length > 0 && {
        pending_operations: pending.map(({ resource, type }) => ({ resource: encode(resource), type })),
      }),
    },
  });
}

/** Throws STATE_INVALID for what is not a version 3 deployment, or holds a secret that is not ours to read. */
export function decodeCheckpoint(state: unknown, { scope, secrets }: Sealing): Checkpoint {
  const { resources = [], pending_operations: pending = [] } = checked(state, scope).deployment;
  const open = (value: Json): Json => {
    if (isMap(value) && value[signatureKey] === secretSignature) return asSecret(opened(value));
    if (isList(value)) return value.map(open);
    return isMap(value) ? mapValues(value, open) : value;
  };
  const opened = ({ plaintext, ciphertext }: { readonly [key: string]: Json }): Json => {
    if (typeof plaintext === "string") return JSON.parse(plaintext) as Json;
    if (typeof ciphertext !== "string" || secrets === null) throw invalid(scope, "a secret has no text");
    return JSON.parse(decrypted(ciphertext, scope, secrets)) as Json;
  };
  return {
    resources: resources.map((resource) => withProperties(resource, open)),
    pending: pending.map(({ resource, type }) => ({ resource: withProperties(resource, open), type })),
  };
}

function decrypted(ciphertext: string, scope: string, secrets: SecretBox): string {
  try {
    return secrets.decrypt(ciphertext, scope);
  } catch (cause) {
    const found = "a secret was encrypted with another key or for another stack";
    throw invalid(scope, found, cause);
  }
}

function withProperties(resource: ResourceState, change: (value: Json) => Json): ResourceState {
  const changed = (properties: Properties): Properties => mapValues(properties, change);
  return {
    ...resource,
    ...(resource.inputs && { inputs: changed(resource.inputs) }),
    ...(resource.outputs && { outputs: changed(resource.outputs) }),
  };
}

const invalid = (scope: string, found: string, cause?: unknown): WaybillError =>
  new WaybillError(
    "STATE_INVALID",
    `the state of ${scope} cannot be used: ${found}. Wanted is Pulumi's deployment format version 3, as \`pulumi stack export --show-secrets\` prints it`,
    { cause },
  );

function checked(state: unknown, scope: string): UntypedDeployment {
  if (!isRecord(state)) throw invalid(scope, "it is not a JSON object");
  if (state["version"] !== 3) throw invalid(scope, `its version is ${JSON.stringify(state["version"])}`);
  const deployment = state["deployment"];
  if (!isRecord(deployment)) throw invalid(scope, "it holds no deployment");
  const { resources = [], pending_operations: pending = [] } = deployment;
  if (!Array.isArray(resources) || !Array.isArray(pending)) throw invalid(scope, "its resources are not a list");
  for (const resource of resources) checkResource(resource, scope);
  for (const operation of pending) {
    if (!isRecord(operation)) throw invalid(scope, "a pending operation is not an object");
    checkResource(operation["resource"], scope);
    if (!["creating", "updating", "deleting"].includes(String(operation["type"]))) {
      throw invalid(scope, `a pending operation is of the type ${JSON.stringify(operation["type"])}`);
    }
  }
  return state as unknown as UntypedDeployment;
}

function checkResource(resource: unknown, scope: string): void {
  if (!isRecord(resource)) throw invalid(scope, "a resource is not an object");
  const { urn, type, custom } = resource;
  if (typeof urn !== "string" || !urn.startsWith("urn:pulumi:")) throw invalid(scope, "a resource has no URN");
  if (typeof type !== "string") throw invalid(scope, `${urn} has no type`);
  if (typeof custom !== "boolean") throw invalid(scope, `${urn} does not say whether it is custom`);
  for (const key of ["inputs", "outputs"]) {
    if (resource[key] !== undefined && !isRecord(resource[key])) throw invalid(scope, `${key} of ${urn} are no object`);
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
