import { randomUUID } from "node:crypto";
import { WaybillError } from "../../core/errors.ts";
import type { Properties, Provider } from "../provider.ts";
import type { ResourceState } from "../state.ts";
import {
  defaultProviderName,
  makeUrn,
  packageOfProviderType,
  parseProviderReference,
  providerType,
  typeOf,
} from "../value/urn.ts";
import { containsUnknown, isUnknown, revealedAll } from "../value/value.ts";
import type { Journal } from "../record/journal.ts";

/** The providers of one operation: each provider resource configured once, default ones made when first needed. */
export interface ProviderSet {
  /** `URN::ID` of the package's default provider, which becomes part of the stack. */
  defaultReference(packageName: string, version: string): string;
  /** Its configuration is another from now on. */
  changed(reference: string): void;
  /** Null: its configuration is not known yet, as may be at preview. */
  get(reference: string): Promise<Provider | null>;
  /** Throws PROGRAM_UNSUPPORTED for a package that nobody serves. */
  requirePackage(packageName: string): Provider;
}

interface ProviderSetDependencies {
  readonly registered: Readonly<Record<string, Provider>>;
  readonly journal: Journal;
  readonly project: string;
  readonly stack: string;
  /** Configuration of the stack by package. */
  readonly configOf: (packageName: string) => Properties;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

export function makeProviderSet(dependencies: ProviderSetDependencies): ProviderSet {
  const { registered, journal, signal } = dependencies;
  const configured = new Map<string, Promise<Provider | null>>();
  const defaults = new Map<string, string>();

  const requirePackage = (packageName: string): Provider => {
    const provider = Object.hasOwn(registered, packageName) ? registered[packageName] : undefined;
    if (provider) return provider;
    throw new WaybillError(
      "PROGRAM_UNSUPPORTED",
      `the program uses the package "${packageName}"; this engine has providers for ${Object.keys(registered).join(", ") || "none"}`,
    );
  };
  const configure = async (reference: string): Promise<Provider | null> => {
    const { urn, id } = parseProviderReference(reference);
    const provider = requirePackage(packageOfProviderType(typeOf(urn)));
    if (isUnknown(id)) return null;
    const resource = journal.all().find((candidate) => candidate.urn === urn && candidate.id === id);
    if (!resource) {
      throw new WaybillError(
        "STATE_INVALID",
        `the provider ${reference} is not part of the stack; refresh or import it`,
      );
    }
    const inputs = resource.inputs ?? {};
    if (containsUnknown(inputs)) return null;
    return provider.configure ? provider.configure({ inputs: revealedAll(inputs), signal }) : provider;
  };
  return {
    requirePackage,
    defaultReference: (packageName, version) => {
      requirePackage(packageName);
      const key = `${packageName}@${version}`;
      const known = defaults.get(key);
      if (known !== undefined) return known;
      const reference = settleDefault(dependencies, packageName, version);
      configured.delete(reference);
      defaults.set(key, reference);
      return reference;
    },
    changed: (reference) => void configured.delete(reference),
    get: (reference) => {
      const known = configured.get(reference);
      if (known) return known;
      const provider = configure(reference);
      configured.set(reference, provider);
      return provider;
    },
  };
}

function settleDefault(dependencies: ProviderSetDependencies, packageName: string, version: string): string {
  const { journal, project, stack, configOf, now } = dependencies;
  const type = providerType(packageName);
  const urn = makeUrn({ stack, project, type, name: defaultProviderName(version), parent: "" });
  const old = journal.find(urn) ?? null;
  const inputs = { ...configOf(packageName), ...(version !== "" && { version }) };
  const id = old?.id ?? randomUUID();
  const time = now().toISOString();
  const next: ResourceState = {
    urn,
    custom: true,
    id,
    type,
    ...(Object.keys(inputs).length > 0 && { inputs, outputs: inputs }),
    created: old?.created ?? time,
    modified: old?.modified ?? time,
  };
  journal.settle(old, next);
  return `${urn}::${id}`;
}
