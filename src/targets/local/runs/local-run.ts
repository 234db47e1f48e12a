import { statSync } from "node:fs";
import type { Clock } from "../../../core/clock.ts";
import { isLeaseLost, untilConfirmed, type Lease } from "../../../core/lease.ts";
import type { RunEnd, StartedRun } from "../../run-executor.ts";
import { note } from "../logs/log-file.ts";
import { endProcess } from "../processes/ending.ts";
import { redact, type SecretValues } from "../processes/environment.ts";
import { markerOf } from "../processes/instance.ts";
import { orAborted, type Exit, type StartedProcess } from "../processes/launch.ts";
import { memoryKills } from "../processes/process-table.ts";
import { peakMemoryBytes } from "./memory.ts";
import { keepOutput, readResult, type RunFolder } from "./run-folder.ts";
import { describeEnd } from "./words.ts";

interface LocalRunParts {
  readonly id: string;
  readonly folder: RunFolder;
  /** Path of the file that says how it ended. */
  readonly exit: string;
  readonly process: StartedProcess;
  readonly values: SecretValues;
  readonly logStart: number;
  readonly startedAt: Date;
  readonly graceMs: number;
  readonly maxOutputBytes: number;
  readonly clock: Clock;
  readonly lease: Pick<Lease, "confirm">;
  /** Called once, before anybody hears of the end. */
  readonly onEnded: (run: LocalRun) => void;
}

/** One start of a run, from its process on. */
export class LocalRun implements StartedRun {
  readonly #parts: LocalRunParts;
  readonly #end: Promise<RunEnd>;
  readonly #watching = new AbortController();
  readonly #memoryKillsBefore = memoryKills();
  #peakBytes = 0;

  constructor(parts: LocalRunParts) {
    this.#parts = parts;
    this.#end = this.#watch();
    // Whoever awaits the end sees why nobody will know of it.
    this.#end.catch(() => undefined);
  }

  get id(): string {
    return this.#parts.id;
  }

  get startedAt(): Date {
    return this.#parts.startedAt;
  }

  get logPath(): string {
    return this.#parts.folder.log;
  }

  ended(signal: AbortSignal): Promise<RunEnd> {
    return orAborted(this.#end, signal);
  }

  async stop(because: string): Promise<void> {
    const { id, process, graceMs, clock, folder, lease } = this.#parts;
    // What another server has started since bears the same marker. Where nobody can be asked, it is ended all the same.
    const mayBeOurs = await lease.confirm().then(
      () => true,
      (error: unknown) => !isLeaseLost(error),
    );
    if (!mayBeOurs) return;
    if (!process.hasEnded()) note(folder.log, clock.now(), `being ended: ${because}`);
    await endProcess(process, { marker: markerOf(id), graceMs, clock });
    await this.#end.catch(() => undefined);
  }

  lookAtMemory(): void {
    this.#peakBytes = Math.max(this.#peakBytes, peakMemoryBytes(this.#parts.process.pid));
  }

  /** Its process runs on; nobody here will hear of its end. */
  letGo(): void {
    this.#watching.abort(new Error("the server is stopping"));
  }

  async #watch(): Promise<RunEnd> {
    const { process, lease, clock } = this.#parts;
    const exit = await process.ended(this.#watching.signal);
    await untilConfirmed(lease, { clock, signal: this.#watching.signal });
    const end = this.#describe(exit);
    this.#parts.onEnded(this);
    return end;
  }

  /** Some process was, since this one started. */
  #wasMemoryKilled(): boolean {
    const [before, now] = [this.#memoryKillsBefore, memoryKills()];
    return before !== null && now !== null && now > before;
  }

  #describe(exit: Exit): RunEnd {
    const { folder, startedAt, values, logStart, clock, maxOutputBytes } = this.#parts;
    const endedAt = statSync(this.#parts.exit, { throwIfNoEntry: false })?.mtime ?? clock.now();
    const wasMemory = exit.signal === "SIGKILL" && this.#wasMemoryKilled();
    const durationMs = Math.max(0, endedAt.getTime() - startedAt.getTime());
    const { crash, reason } = describeEnd({ exit, durationMs, wasMemory, log: folder.log, logStart });
    const { value, fault } = readResult(folder.result);
    const output = keepOutput(folder.output, maxOutputBytes);
    if (output.fault !== null) note(folder.log, endedAt, output.fault);
    const lines = (parts: readonly (string | null)[]): string =>
      parts.filter((part) => part !== null && part !== "").join("\n");
    return {
      exitStatus: exit.status,
      signal: exit.signal,
      crash,
      reason: redact(reason === "" ? "" : lines([reason, output.fault]), values),
      endedAt,
      peakMemoryBytes: this.#peakBytes === 0 ? null : this.#peakBytes,
      result: value,
      resultFault: lines([fault, output.fault]) || null,
      files: output.files,
    };
  }
}
