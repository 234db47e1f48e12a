import { PartialCreate, type Properties, type Provider } from "../../src/engine/provider.ts";

interface Call {
  readonly method: string;
  readonly name: string;
  readonly id?: string;
  readonly inputs?: Properties;
}

/** A provider that keeps its things in memory and notes what it is asked. Inputs steer it: see `behave`. */
export function makeRecordingProvider(overrides: Partial<Provider> = {}) {
  const calls: Call[] = [];
  const things = new Map<string, Properties>();
  let made = 0;
  const outputsOf = (id: string, inputs: Properties): Properties => ({ ...inputs, address: `http://${id}` });
  const provider: Provider = {
    create: async ({ name, inputs, signal, onProgress }) => {
      calls.push({ method: "create", name, inputs });
      onProgress(`making ${name} of ${JSON.stringify(inputs)}`);
      await behave(inputs, signal);
      const id = `${name}-${++made}`;
      things.set(id, inputs);
      if (inputs["partial"] === true) {
        throw new PartialCreate({ id, outputs: outputsOf(id, inputs), reasons: ["not ready yet"] });
      }
      return { id, outputs: outputsOf(id, inputs) };
    },
    diff: async ({ oldInputs, newInputs }) => {
      const changed = Object.keys({ ...oldInputs, ...newInputs }).filter(
        (key) => JSON.stringify(oldInputs[key]) !== JSON.stringify(newInputs[key]),
      );
      const replaces = changed.filter((key) => key.startsWith("fixed"));
      return { changes: changed.length > 0, replaces };
    },
    update: async ({ name, id, newInputs, signal }) => {
      calls.push({ method: "update", name, id, inputs: newInputs });
      await behave(newInputs, signal);
      things.set(id, newInputs);
      return { outputs: outputsOf(id, newInputs) };
    },
    read: async ({ id }) => {
      const inputs = things.get(id);
      return inputs ? { id, inputs, outputs: outputsOf(id, inputs) } : null;
    },
    delete: async ({ name, id, inputs, signal }) => {
      calls.push({ method: "delete", name, id });
      if (inputs["undeletable"] === true) throw new Error("it will not go");
      await behave({ waits: inputs["deleteWaits"] ?? 0 }, signal);
      things.delete(id);
    },
    ...overrides,
  };
  return {
    provider,
    calls,
    things,
    /** `create a`, `update a`, `delete a` in the order of the calls, forgotten afterwards. */
    taken: (): readonly string[] => calls.splice(0).map(({ method, name }) => `${method} ${name}`),
  };
}

/** `fails`: a message to throw. `waits`: milliseconds to take, ended by the signal. */
async function behave(inputs: Properties, signal: AbortSignal): Promise<void> {
  const waits = inputs["waits"];
  if (typeof waits === "number" && waits > 0) {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, waits);
      signal.addEventListener(
        "abort",
        () => {
          clearTimeout(timer);
          reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
        },
        { once: true },
      );
    });
  }
  if (typeof inputs["fails"] === "string") throw new Error(inputs["fails"]);
}
