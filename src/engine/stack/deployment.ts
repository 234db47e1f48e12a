import { WaybillError } from "../../core/errors.ts";
import type { Properties } from "../provider.ts";
import type { ResourceState } from "../state.ts";
import { aliasUrns, isProviderType, isStackType, makeUrn } from "../value/urn.ts";
import { containsUnknown } from "../value/value.ts";
import { registerComponent, registerProvider } from "./local-resource.ts";
import type { Journal } from "../record/journal.ts";
import type { Operation } from "./operation.ts";
import type { Registered, Registration } from "./registration.ts";
import { runStep } from "./step-run.ts";

type Identity = Pick<Registration, "type" | "name" | "parent">;

/** The stack as the program declares it, resource by resource. */
export interface Deployment {
  /** Never rejects: what went wrong is reported, and the program goes on with what does not depend on it. */
  register(identity: Identity, decode: () => Registration): Promise<Registered>;
  registerOutputs(urn: string, outputs: Properties): void;
  /** Resolves when no registration is under way. */
  idle(): Promise<void>;
  /** Outputs of the stack itself, null when the program did not get that far. */
  outputs(): Properties | null;
}

export function makeDeployment(operation: Operation): Deployment {
  const { journal, report, redaction, project, stack } = operation;
  const seen = new Set<string>();
  const notRun = new Set<string>();
  const running = new Set<Promise<Registered>>();
  let stackOutputs: Properties | null = null;
  let rootUrn = "";

  const find = makeFinder(journal);
  const run = async (urn: string, decode: () => Registration): Promise<Registered> => {
    const skipped: Registered = { outcome: "skipped", urn, id: "", outputs: {} };
    if (operation.signal.aborted) return skipped;
    try {
      const registration = decode();
      if (needs(registration).some((other) => notRun.has(other))) return skipped;
      if (seen.has(urn)) throw duplicate(urn);
      seen.add(urn);
      redaction.learn(registration.inputs);
      const old = find(urn, registration);
      if (old && old.custom !== registration.custom) throw changedKind(urn);
      if (!registration.custom) return registerComponent(operation, urn, registration, old);
      if (isProviderType(registration.type)) return registerProvider(operation, urn, registration, old);
      return await operation.inSlot(() => runStep(operation, urn, registration, old));
    } catch (error) {
      if (!operation.signal.aborted) report.fail(urn, error);
      return { outcome: "failed", urn, id: "", outputs: {} };
    }
  };
  return {
    register: async (identity, decode) => {
      const urn = makeUrn({ ...identity, stack, project });
      if (isStackType(identity.type)) rootUrn = urn;
      const registering = run(urn, decode);
      running.add(registering);
      const registered = await registering;
      running.delete(registering);
      if (registered.outcome !== "done") notRun.add(urn);
      return registered;
    },
    registerOutputs: (urn, outputs) => {
      redaction.learn(outputs);
      if (urn === rootUrn) stackOutputs = outputs;
      const resource = journal.all().find((candidate) => candidate.urn === urn && candidate.delete !== true);
      // What a failed resource leaves unknown is no value to keep: the outputs of before stay.
      if (!resource || (containsUnknown(outputs) && !operation.isPreview)) return;
      journal.amend(resource, { outputs });
    },
    idle: async () => {
      while (running.size > 0) await Promise.all(running);
    },
    outputs: () => stackOutputs,
  };
}

/** Finds a resource as the last apply left it: by its URN, or by one that it had before. */
function makeFinder(journal: Journal): (urn: string, registration: Registration) => ResourceState | null {
  const aliases = new Map<string, readonly string[]>();
  return (urn, registration) => {
    const former = aliasUrns({ ...registration, urn }, aliases.get(registration.parent) ?? []);
    aliases.set(urn, former);
    const exact = journal.find(urn);
    if (exact) return exact;
    const old = former.map((alias) => journal.find(alias)).find((resource) => resource !== undefined);
    return old ? journal.rename(old, urn) : null;
  };
}

function needs({ parent, dependencies, provider, propertyDependencies }: Registration): readonly string[] {
  const providerUrn = provider === "" ? [] : [provider.slice(0, provider.lastIndexOf("::"))];
  return [parent, ...providerUrn, ...dependencies, ...Object.values(propertyDependencies).flat()];
}

const duplicate = (urn: string): WaybillError =>
  new WaybillError("PROGRAM_FAILED", `the program declares ${urn} twice: give one of the two another name`);

const changedKind = (urn: string): WaybillError =>
  new WaybillError(
    "PROGRAM_UNSUPPORTED",
    `${urn} was a component and is now a custom resource, or the other way round: give it another name`,
  );
