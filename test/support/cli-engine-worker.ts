// Run as a process: FOLDER. Applies a program by the CLI to a world that is a file, and dies by SIGKILL, as a server may,
// once the thing called `b` has been made and nobody has been told.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Properties } from "../../src/engine/provider.ts";
import { makeCliTestEngine } from "./cli-engine.ts";
import { makeRecordingProvider } from "./recording-provider.ts";
import { shop, Thing } from "./stacks.ts";

interface Made {
  readonly id: string;
  readonly operationId: string;
  readonly inputs: Properties;
}

export function worldOf(folder: string): readonly Made[] {
  const path = join(folder, "world.jsonl");
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Made);
}

/** Keeps to the contract: a create repeated under its operation id answers what the first one made. */
export function makeWorldProvider(
  folder: string,
  { finds, onMade }: { finds: boolean; onMade: (name: string) => void },
) {
  const outputsOf = (id: string, inputs: Properties) => ({ ...inputs, address: `http://${id}` });
  const madeBy = (operationId: string) => worldOf(folder).find((made) => made.operationId === operationId);
  return makeRecordingProvider({
    create: async ({ name, inputs, operationId }) => {
      const id = madeBy(operationId)?.id ?? `${name}-${worldOf(folder).length + 1}`;
      if (!madeBy(operationId)) {
        appendFileSync(join(folder, "world.jsonl"), `${JSON.stringify({ id, operationId, inputs })}\n`);
        onMade(name);
      }
      return { id, outputs: outputsOf(id, inputs) };
    },
    update: async ({ id, newInputs }) => ({ outputs: outputsOf(id, newInputs) }),
    ...(finds && {
      find: async ({ operationId, inputs }) => {
        const made = madeBy(operationId);
        return made ? { id: made.id, outputs: outputsOf(made.id, inputs) } : null;
      },
    }),
  });
}

export const threeThings = async () => {
  const a = new Thing("a", { size: 1 });
  const b = new Thing("b", { of: a.address });
  return { c: new Thing("c", { of: b.address }).address };
};

if (import.meta.main) {
  const [folder = ""] = process.argv.slice(2);
  const onMade = (name: string): void => {
    if (name === "b") process.kill(process.pid, "SIGKILL");
  };
  const harness = makeCliTestEngine({ folder, provider: makeWorldProvider(folder, { finds: false, onMade }) });
  await harness.engine.up(shop, threeThings);
}
