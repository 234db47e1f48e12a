import type { InstanceSpec } from "./instance.ts";
import { lastLines, sizeOf } from "../logs/log-file.ts";
import { describeTrouble, type Trouble } from "./diagnosis.ts";
import { redact, type SecretValues } from "./environment.ts";
import { memoryKills } from "./process-table.ts";

const tailLines = 20;

/** What is known of an instance's newest start when its end has to be explained. */
export class Evidence {
  readonly #log: string;
  readonly #kind: InstanceSpec["kind"];
  #secrets: SecretValues = new Map();
  #logStart = 0;
  #memoryKillsBefore: number | null = null;

  constructor(log: string, kind: InstanceSpec["kind"]) {
    this.#log = log;
    this.#kind = kind;
  }

  /** None of these values is repeated in an explanation. */
  hide(secrets: SecretValues): void {
    this.#secrets = secrets;
  }

  beginStart(): void {
    this.#logStart = sizeOf(this.#log);
    this.#memoryKillsBefore = memoryKills();
  }

  /** How many the kernel had killed when the program started is not known any more. */
  beginAdoption(): void {
    this.#logStart = sizeOf(this.#log);
  }

  describe(trouble: Trouble): string {
    const tail = lastLines(this.#log, { from: this.#logStart, count: tailLines });
    return redact(describeTrouble(trouble, this.#kind, tail), this.#secrets);
  }

  wasKilledForMemory(): boolean {
    const [before, now] = [this.#memoryKillsBefore, memoryKills()];
    return before !== null && now !== null && now > before;
  }
}
