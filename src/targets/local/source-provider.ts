import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import type { SourceArgs } from "../../../templates/local/resources.ts";
import type { Clock } from "../../core/clock.ts";
import { WaybillError } from "../../core/errors.ts";
import { treeSha } from "../../core/names.ts";
import type { StackName } from "../../core/stack.ts";
import type { Provider, Properties } from "../../engine/provider.ts";
import { treeKey, type TreeRequest, type Trees } from "./trees/trees.ts";
import { replacedBy, textOf } from "./properties.ts";

export interface SourceProviderDependencies {
  readonly trees: Trees;
  readonly clock: Clock;
  /** Called when a tree has lost a user. */
  readonly onUnused: () => void;
}

/** `waybill:local:Source`: the files that a program runs from. Outputs: `key`, `folder`. */
export function makeSourceProvider({ trees, clock, onUnused }: SourceProviderDependencies): Provider {
  return {
    diff: (request) => Promise.resolve(replacedBy(request)),
    async create({ inputs, operationId, name, signal, onProgress }) {
      const request = requestOf(inputs as unknown as SourceArgs);
      if (request.build !== null && trees.folderOf(treeKey(request)) === null) onProgress(`building: ${request.build}`);
      const { key, folder } = await trees.ensure(request, { signal, onProgress });
      const id = idOf(name, operationId);
      requireFolder(folder, inputs);
      trees.use(key, { user: id, stack: stackOf(inputs), now: clock.now() });
      return { id, outputs: { ...inputs, key, folder } };
    },
    find({ inputs, operationId, name }) {
      const key = treeKey(requestOf(inputs as unknown as SourceArgs));
      const folder = trees.folderOf(key);
      if (folder === null) return Promise.resolve(null);
      const id = idOf(name, operationId);
      trees.use(key, { user: id, stack: stackOf(inputs), now: clock.now() });
      return Promise.resolve({ id, outputs: { ...inputs, key, folder } });
    },
    update: ({ oldOutputs }) => Promise.resolve({ outputs: oldOutputs }),
    delete({ id, outputs }) {
      trees.unuse(textOf(outputs, "key"), id, clock.now());
      onUnused();
      return Promise.resolve();
    },
  };
}

/** One name for each operation: what an earlier one made can be removed without touching what a later one made. */
export const idOf = (name: string, operationId: string): string =>
  `${name}-${createHash("sha256").update(operationId).digest("hex").slice(0, 12)}`;

const stackOf = (inputs: Properties): StackName => inputs["stack"] as unknown as StackName;

function requireFolder(tree: string, { published }: Properties): void {
  if (typeof published !== "string") return;
  const isThere = statSync(join(tree, published), { throwIfNoEntry: false })?.isDirectory();
  if (isThere) return;
  throw new WaybillError("SOURCE_MISSING", `the folder "${published}" that is to be published is not in the source`);
}

/** What a Source's inputs ask for. */
export function requestOf({ stack, tree, workingDir, build, env, files }: SourceArgs): TreeRequest {
  return {
    repository: stack.repository,
    tree: treeSha(tree),
    workingDir,
    build: build ?? null,
    env: env ?? {},
    files: files ?? {},
  };
}
