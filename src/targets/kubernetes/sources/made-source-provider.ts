import { posix } from "node:path";
import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { makeSlots } from "../../../core/waiting/slots.ts";
import { makeTurns } from "../../../core/waiting/turns.ts";
import type { CreateResult, Properties, Provider } from "../../../engine/provider.ts";
import { replacedBy } from "../../local/properties.ts";
import { idOf } from "../../local/source-provider.ts";
import type { ArchivedFile } from "../../workload.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { Archives } from "./archives.ts";
import { buildObjects } from "./build-job.ts";
import { runBuild } from "./build.ts";
import { baseOf, keyOf, type MadeSource } from "./made-source.ts";
import type { SourceUrls } from "./signature.ts";

interface Dependencies {
  readonly archives: Archives;
  readonly urls: Pick<SourceUrls, "sign">;
  /** A target's cluster, and where that reaches the server. */
  readonly reach: (target: string) => { readonly cluster: Cluster; readonly sourceUrl: string; readonly host: string };
  readonly clock: Clock;
  readonly log: Log;
}

interface Making {
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
}

const addressLifeMs = 2 * 60 * 60 * 1_000;
const maxBuilds = 4;

/** Archives that pods fetch, made once for all that ask for the same. */
export interface MadeSources {
  /** Rejects with BUILD_FAILED and the build's last lines. */
  ensure(source: MadeSource, making: Making): Promise<void>;
}

export function makeMadeSources(dependencies: Dependencies): MadeSources {
  const { archives } = dependencies;
  const inTurn = makeTurns();
  const slots = makeSlots({ running: maxBuilds });
  return {
    async ensure(source, making) {
      const key = keyOf(source);
      if (archives.has(key)) return;
      if (source.build) making.onProgress(`building: ${source.build.command}`);
      // Whoever comes second finds it made.
      await inTurn(key, () => slots.run(() => make(dependencies, source, making)));
    },
  };
}

interface ProviderDependencies {
  readonly archives: Pick<Archives, "has" | "use" | "unuse">;
  readonly sources: MadeSources;
}

/** `waybill:kubernetes:Source`: an archive that somebody uses. */
export function makeMadeSourceProvider({ archives, sources }: ProviderDependencies): Provider {
  async function result(source: MadeSource, id: string, inputs: Properties): Promise<CreateResult> {
    await archives.use(keyOf(source), id);
    return { id, outputs: { ...inputs, key: keyOf(source) } };
  }

  return {
    diff: (request) => Promise.resolve(replacedBy(request)),
    async create({ inputs, name, operationId, signal, onProgress }) {
      const source = inputs as unknown as MadeSource;
      await sources.ensure(source, { signal, onProgress });
      return result(source, idOf(name, operationId), inputs);
    },
    async find({ inputs, name, operationId }) {
      const source = inputs as unknown as MadeSource;
      return archives.has(keyOf(source)) ? result(source, idOf(name, operationId), inputs) : null;
    },
    update: ({ oldOutputs }) => Promise.resolve({ outputs: oldOutputs }),
    async delete({ id, inputs }) {
      await archives.unuse(keyOf(inputs as unknown as MadeSource), id);
    },
  };
}

async function make(dependencies: Dependencies, source: MadeSource, making: Making): Promise<void> {
  const { archives, reach, urls, clock, log } = dependencies;
  const { signal } = making;
  const { repository } = source.stack;
  const key = keyOf(source);
  signal.throwIfAborted();
  if (archives.has(key)) return;
  const base = baseOf(source);
  if (base !== source.tree)
    await archives.ensure(base, { repository, tree: source.tree, files: filesOf(source), signal });
  if (source.build === null) return;
  const { cluster, sourceUrl, host } = reach(source.target);
  const expiresAt = new Date(clock.now().getTime() + addressLifeMs);
  const objects = buildObjects(source, source.build, {
    fetch: sourceUrl + urls.sign({ method: "GET", repository, key: base }, expiresAt),
    upload: sourceUrl + urls.sign({ method: "PUT", repository, key }, expiresAt),
    host,
  });
  await runBuild({ cluster, objects, step: source.build, clock, log, ...making });
  if (archives.has(key)) return;
  throw new WaybillError("BUILD_FAILED", `the build \`${source.build.command}\` ended without handing its result over`);
}

function filesOf({ workingDir, files }: MadeSource): readonly ArchivedFile[] {
  return Object.entries(files).map(([path, { content, mode }]) => {
    const place = posix.join(workingDir, path);
    if (place.startsWith("../") || place.startsWith("/")) {
      throw new WaybillError("TARGET_UNSUPPORTED", `files: ${path} lies outside the source: use a path within it`);
    }
    return { path: place, content: Buffer.from(content), mode: Number.parseInt(mode, 8) };
  });
}
