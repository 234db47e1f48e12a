import { isDeepStrictEqual } from "node:util";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import { messageOf } from "../../core/errors.ts";
import type { CreateResult, Json, Properties, Provider } from "../../engine/provider.ts";
import type { Traffic } from "../route.ts";
import { replacedBy } from "./properties.ts";
import type { InstanceRecord, InstanceSpec } from "./processes/instance.ts";
import type { HeadStart } from "./head-start.ts";
import type { Supervisor } from "./processes/supervisor.ts";
import { idOf } from "./source-provider.ts";

export interface ProcessProviderDependencies {
  readonly supervisor: Supervisor;
  readonly traffic: Traffic;
  readonly log: Log;
  readonly isOwned: IsOwned;
  readonly headStart: Pick<HeadStart, "take">;
  /** Why nothing of the stack is meant to run; null where something is. */
  readonly restOf: (stack: StackName) => string | null;
}

/** Whether the stack's state holds a resource of this id, be it one that is to be removed. */
export type IsOwned = (stack: StackName, id: string) => Promise<boolean>;

const drainTimeoutMs = 30_000;

/**
 * `waybill:local:Process`: one running program of one revision. Any change makes another beside it; it is created when
 * it answers. Outputs: `hostname`, `port`, `ports` (by the number in the file).
 */
export function makeProcessProvider(dependencies: ProcessProviderDependencies): Provider {
  const { supervisor, headStart } = dependencies;
  return {
    diff: (request) => Promise.resolve(replacedBy(request)),
    async create({ inputs, name, operationId, signal, onProgress }) {
      onProgress("starting");
      const spec = inputs as unknown as InstanceSpec;
      const begun = await headStart.take(spec);
      const options = { signal, onProgress };
      if (begun) {
        const record = await begun.ready(options);
        // Nothing of the same revision ran when it was begun: what is left over only has to end.
        void retireStrays(dependencies, spec.stack, begun.id);
        return resultOf(record, inputs);
      }
      const id = idOf(name, operationId);
      const strays = await straysOf(dependencies, spec.stack, id);
      const kept = strays.find((stray) => isAsWanted(stray, spec));
      const isAnswering = kept !== undefined && (kept.asleepSince ?? null) === null;
      const record = isAnswering ? kept : await supervisor.start(kept?.id ?? id, spec, options);
      for (const stray of strays) if (stray !== kept) retire(dependencies, stray.id, "no state knows it any more");
      return resultOf(record, inputs);
    },
    async find({ inputs, name, operationId }) {
      const record = supervisor.find(idOf(name, operationId));
      if (record?.desired !== "running") return null;
      if (record.readyAt !== null) return resultOf(record, inputs);
      await supervisor.stop(record.id, "the server ended before it answered");
      return null;
    },
    read: ({ id, inputs }) => {
      const record = supervisor.find(id);
      return Promise.resolve(record?.desired === "running" ? resultOf(record, inputs) : null);
    },
    // Never in place: this only comes after an interrupted creation, to see whether all is well.
    async update({ id, newInputs, signal, onProgress }) {
      const spec = newInputs as unknown as InstanceSpec;
      const timeout = AbortSignal.timeout(spec.startTimeoutSeconds * 1_000);
      const options = { signal: AbortSignal.any([signal, timeout]), onProgress };
      return { outputs: resultOf(await supervisor.start(id, spec, options), newInputs).outputs };
    },
    delete({ id }) {
      const stack = supervisor.find(id)?.spec.stack;
      const rest = stack ? dependencies.restOf(stack) : null;
      retire(dependencies, id, rest ?? "a newer revision took its place, or it was removed");
      return Promise.resolve();
    },
  };
}

async function retireStrays(dependencies: ProcessProviderDependencies, stack: StackName, own: string): Promise<void> {
  try {
    const strays = await straysOf(dependencies, stack, own);
    for (const stray of strays) retire(dependencies, stray.id, "no state knows it any more");
  } catch (error) {
    // The next deploy asks again.
    dependencies.log.warn(
      { stack: stackKey(stack), error: messageOf(error) },
      "what no state knows was not looked for",
    );
  }
}

/** What runs for the stack and is in no state: left by a database that was lost. */
async function straysOf(
  { supervisor, isOwned }: ProcessProviderDependencies,
  stack: StackName,
  own: string,
): Promise<readonly InstanceRecord[]> {
  const running = supervisor.of(stack).filter(({ id, desired }) => desired === "running" && id !== own);
  const owned = await Promise.all(running.map(({ id }) => isOwned(stack, id)));
  return running.filter((_, index) => !owned[index]);
}

/** A secret's versions count anew in a new database: equal ones may be different values. */
const isAsWanted = ({ spec, readyAt }: InstanceRecord, wanted: InstanceSpec): boolean =>
  readyAt !== null && wanted.secrets.length === 0 && isDeepStrictEqual(spec, wanted);

function retire({ supervisor, traffic, log }: ProcessProviderDependencies, id: string, because: string): void {
  const record = supervisor.find(id);
  const [main] = record?.ports ?? [];
  const drained = async (signal: AbortSignal): Promise<void> => {
    if (!record || !main) return;
    const upstream = { hostname: record.hostname, port: main.actual };
    const inFlight = await traffic.drained(upstream, { timeoutMs: drainTimeoutMs, signal });
    if (inFlight > 0) log.warn({ instance: id, inFlight }, "process stopped with requests in flight");
  };
  supervisor.retire(id, { because, drained });
}

function resultOf(record: InstanceRecord, inputs: Properties): CreateResult {
  const ports: Record<string, Json> = Object.fromEntries(record.ports.map(({ wanted, actual }) => [wanted, actual]));
  const port = record.ports[0]?.actual ?? null;
  return { id: record.id, outputs: { ...inputs, hostname: record.hostname, port, bound: ports } };
}
