// Programs applied to a world that is a file, with their state in a file beside it, so that both outlive a process that
// is killed. Run as a process: FOLDER VERSION MOMENT applies one and kills itself, with SIGKILL, at that moment.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Properties, Provider } from "../../src/engine/provider.ts";
import type { StackState, StateStore } from "../../src/engine/state.ts";
import { assertIntegrity } from "./state-integrity.ts";
import { makeRecordingProvider } from "./recording-provider.ts";
import { makeTestEngine, shop, Thing } from "./stacks.ts";

/** Every durable note and every effect has a moment before and one after; what this answers is waited for. */
type OnMoment = (moment: number) => Promise<void> | void;

export interface Application {
  readonly folder: string;
  readonly version: number;
  readonly finds: boolean;
  /** What is updated is written anew after any crash, and noted with what came before it. */
  readonly rewrites?: boolean;
  readonly onMoment: OnMoment;
}

const readJson = (path: string): unknown => (existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : null);
function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(value));
  renameSync(`${path}.new`, path);
}

type PassMoment = () => Promise<void>;

const fileStore = (folder: string, passMoment: PassMoment): StateStore => ({
  load: async () => readJson(join(folder, "state.json")) as StackState | null,
  save: async (_, state) => {
    await passMoment();
    assertIntegrity(state.state);
    writeJson(join(folder, "state.json"), state);
    await passMoment();
  },
  remove: async () => undefined,
  list: async () => [],
});

interface Made {
  readonly id: string;
  readonly operationId: string;
  readonly inputs: Properties;
}

/** Keeps to the contract: a create repeated under its operation id answers what the first one made. */
function fileProvider({ folder, finds, rewrites = false }: Application, passMoment: PassMoment): Partial<Provider> {
  const path = join(folder, "world.json");
  const world = (): readonly Made[] => (readJson(path) ?? []) as readonly Made[];
  const change = async (next: readonly Made[]): Promise<void> => {
    await passMoment();
    writeJson(path, next);
    await passMoment();
  };
  const madeBy = (operationId: string) => world().find((thing) => thing.operationId === operationId);
  const outputsOf = (name: string, inputs: Properties) => ({ ...inputs, address: `http://${name}` });
  return {
    create: async ({ name, inputs, operationId }) => {
      const made = madeBy(operationId);
      const id = made?.id ?? `${name}-${operationId.slice(0, 8)}`;
      if (!made) await change([...world(), { id, operationId, inputs }]);
      return { id, outputs: outputsOf(name, inputs) };
    },
    update: async ({ name, id, newInputs }) => {
      await change(world().map((thing) => (thing.id === id ? { ...thing, inputs: newInputs } : thing)));
      return { outputs: outputsOf(name, newInputs) };
    },
    rewrites: () => rewrites,
    delete: ({ id }) => change(world().filter((thing) => thing.id !== id)),
    ...(finds && {
      find: async ({ operationId, name, inputs }) => {
        const made = madeBy(operationId);
        return made ? { id: made.id, outputs: outputsOf(name, inputs) } : null;
      },
    }),
  };
}

const programs: Record<number, () => Promise<Record<string, unknown>>> = {
  1: async () => {
    const a = new Thing("a", { fixed: 1, size: 1 });
    const b = new Thing("b", { of: a.address, size: 1 });
    return { c: new Thing("c", { of: b.address }).address, d: new Thing("d", { size: 1 }).address };
  },
  // a is replaced, b updated, c left alone, d deleted, f new.
  2: async () => {
    const a = new Thing("a", { fixed: 2, size: 1 });
    const b = new Thing("b", { of: a.address, size: 2 });
    const f = new Thing("f", { fixed: 2 }, { deleteBeforeReplace: true });
    return { c: new Thing("c", { of: b.address }).address, f: f.address };
  },
  // f is replaced, deleted first; all else goes.
  3: async () => {
    const f = new Thing("f", { fixed: 3 }, { deleteBeforeReplace: true });
    return { f: f.address };
  },
};

/** Applies one program; answers how many moments that took. */
export async function applyVersion(application: Application): Promise<number> {
  let moments = 0;
  const passMoment = async (): Promise<void> => application.onMoment(++moments);
  const provider = makeRecordingProvider(fileProvider(application, passMoment));
  using harness = makeTestEngine({ provider, store: fileStore(application.folder, passMoment) });
  const program = programs[application.version];
  if (!program) throw new Error(`no program ${application.version}`);
  await harness.engine.up(shop, program, { parallel: 1 });
  return moments;
}

if (import.meta.main) {
  const [folder = "", version, killAt] = process.argv.slice(2);
  const onMoment = (moment: number): void => {
    if (moment === Number(killAt)) process.kill(process.pid, "SIGKILL");
  };
  await applyVersion({ folder, version: Number(version), finds: false, onMoment });
}
