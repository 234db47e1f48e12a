import { isSha } from "../../core/names.ts";
import type { Spawn } from "../../core/spawn.ts";
import { consumeLoose, readLoose } from "./loose.ts";
import { makeObjectProcess, type ObjectProcess } from "./process.ts";

export interface QuarantineOptions {
  readonly path: string;
  /** Git's own variables that describe the quarantine to its hooks (git-receive-pack(1)). */
  readonly env: Readonly<Record<string, string>>;
  /** Reads what was accepted before. */
  readonly accepted: ObjectProcess;
  readonly spawn: Spawn;
}

/**
 * Objects that a push brought and nobody has accepted yet. A small push lies there as single files, read right here:
 * a Git process of its own, some 6 ms in every push, is started only for a push that came as a pack.
 */
export function makeQuarantineProcess({ path, env, accepted, spawn }: QuarantineOptions): ObjectProcess {
  const all = makeObjectProcess({ path, env, spawn });
  const folder = env["GIT_QUARANTINE_PATH"] ?? "";
  return {
    async ask(name, consume) {
      const loose = isSha(name) && folder !== "" ? readLoose(folder, name) : null;
      if (loose) return consumeLoose(loose, consume);
      return (await accepted.ask(name, consume)) ?? all.ask(name, consume);
    },
    close: () => all.close(),
  };
}
