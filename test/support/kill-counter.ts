import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** To be told of each effect: kills this process at one, the first being 1, and leaves its name in `killed-at`; 0: never. */
export function makeKillCounter(folder: string, killAfter: number): (effect: string) => void {
  let effects = 0;
  return (effect) => {
    effects += 1;
    if (effects !== killAfter) return;
    writeFileSync(join(folder, "killed-at"), effect);
    process.kill(process.pid, "SIGKILL");
  };
}
