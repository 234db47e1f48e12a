import { writeFileSync } from "node:fs";
import { join } from "node:path";

interface KillCounter {
  /** Something that lasts was done. */
  effect(name: string): void;
  count(): number;
}

/** Kills this process at an effect, the first being 1, and leaves its name in `killed-at`; 0: never. */
export function makeKillCounter(folder: string, killAfter: number): KillCounter {
  let effects = 0;
  return {
    effect(name) {
      effects += 1;
      if (effects !== killAfter) return;
      writeFileSync(join(folder, "killed-at"), name);
      process.kill(process.pid, "SIGKILL");
    },
    count: () => effects,
  };
}
