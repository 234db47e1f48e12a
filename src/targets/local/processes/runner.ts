import { existsSync } from "node:fs";
import { backoffMs } from "../../../core/waiting/backoff.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import { isLeaseLost, untilConfirmed, type Lease } from "../../../core/lease.ts";
import type { WorkloadStatus } from "../../workload.ts";
import type { Trouble } from "./diagnosis.ts";
import { Evidence } from "./evidence.ts";
import { InstanceBook } from "./instance-book.ts";
import { markerOf, type InstanceFolder, type InstanceRecord } from "./instance.ts";
import { orAborted, type StartedProcess } from "./launch.ts";
import { killMarked } from "./process-table.ts";
import { awaitReadiness } from "./readiness.ts";
import { Starts, type StartDependencies } from "./starts.ts";

export interface RunnerDependencies extends StartDependencies {
  /** Asked before what nobody asked this server for: it may have stood still, and another acts. */
  readonly lease: Pick<Lease, "confirm">;
  readonly onStatus: (record: InstanceRecord, status: WorkloadStatus) => void;
}

type BroughtUp =
  | { readonly ready: true; readonly hostname: string; readonly process: StartedProcess }
  | { readonly ready: false; readonly trouble: Trouble };

const restartBackoff = { firstMs: 1_000, maxMs: 60_000 };
const backoffResetMs = 60_000;
const maxPortTries = 4;

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? "";

/** Keeps the process of one instance running until it is stopped or detached. */
export class InstanceRunner {
  readonly #dependencies: RunnerDependencies;
  readonly #book: InstanceBook;
  readonly #starts: Starts;
  readonly #end = new AbortController();
  readonly #firstAnswer = Promise.withResolvers<InstanceRecord>();
  readonly #evidence: Evidence;
  readonly #progress = new Set<(message: string) => void>();
  #isWaking = false;
  #loop: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | null = null;

  constructor(record: InstanceRecord, path: string, dependencies: RunnerDependencies) {
    this.#book = new InstanceBook(record, path, dependencies);
    this.#evidence = new Evidence(this.#book.folder.log, record.spec.kind);
    this.#starts = new Starts(dependencies, { book: this.#book, evidence: this.#evidence });
    this.#dependencies = dependencies;
    // Whoever waits for the first answer sees its failure; nobody may be waiting.
    this.#firstAnswer.promise.catch(() => undefined);
  }

  get record(): InstanceRecord {
    return this.#book.record;
  }

  get status(): WorkloadStatus {
    return this.#book.status;
  }

  get folder(): InstanceFolder {
    return this.#book.folder;
  }

  start(): void {
    this.#loop = this.#run(() => Promise.resolve(null));
  }

  /** Starts what slept. The first failure is the last: whoever asks next tries again. */
  wake(): void {
    this.#isWaking = true;
    this.#book.save({ asleepSince: null });
    this.#book.note("woken by a request");
    this.start();
  }

  /** Ends the process; the record still wants it running, once somebody asks for it. */
  async fallAsleep(because: string): Promise<void> {
    this.#book.save({ asleepSince: this.#dependencies.clock.now().toISOString() });
    this.#dependencies.log.debug({ instance: this.#book.record.id }, "instance marked asleep");
    await this.suspend();
    if (this.#book.record.desired === "running") this.#book.note(`asleep: ${because}`);
  }

  /** Takes the place of an instance that sleeps, and ends what an interrupted falling asleep has left of it. */
  async rest({ isAlive, failure }: { isAlive: boolean; failure: string | null }): Promise<void> {
    if (isAlive) {
      await this.#starts.takeOver(true);
      await this.#starts.terminate();
    }
    if (failure === null)
      this.#book.report({
        state: "sleeping",
        reason: `asleep since ${this.#book.record.asleepSince ?? ""}; wakes on a request`,
      });
    else this.#book.report({ state: "degraded", reason: `it did not wake: ${failure}\nthe next request tries again` });
  }

  /** Takes over what another server started, and starts it again where it ended meanwhile. Resolves when it is known. */
  async adopt(isAlive: boolean): Promise<void> {
    const known = Promise.withResolvers<void>();
    this.#loop = this.#run(() => this.#starts.takeOver(isAlive).finally(known.resolve));
    await known.promise;
  }

  /** Resolves when the instance has answered for the first time; rejects with the reason when it does not. */
  async whenReady(signal: AbortSignal, onProgress: (message: string) => void): Promise<InstanceRecord> {
    this.#progress.add(onProgress);
    try {
      return await orAborted(this.#firstAnswer.promise, signal);
    } finally {
      this.#progress.delete(onProgress);
    }
  }

  /** Ends the process: the polite signal, the grace time of its file, the last signal. Never rejects on a dead one. */
  stop(because: string): Promise<void> {
    this.#stopping ??= this.#stop(because);
    return this.#stopping;
  }

  /** Ends what an interrupted stop has left: the private folder goes last, so that it tells. */
  async finishStop(): Promise<void> {
    if (!existsSync(this.#book.folder.private)) return;
    await this.#starts.takeOver(true);
    await this.stop(this.#book.record.stoppedBecause ?? "it was being stopped when the server ended");
  }

  /** Lets go of the process without touching it. */
  async detach(): Promise<void> {
    this.#end.abort(new WaybillError("CONFLICT", "the server is stopping"));
    await this.#loop;
  }

  /** Ends the process because the server ends; the record still wants it running. */
  async suspend(): Promise<void> {
    await this.detach();
    await this.#starts.terminate();
  }

  /** From here on it is not started again, and a server that dies finishes the stop at its next start. */
  markStopped(because: string): void {
    if (this.#book.record.desired === "stopped") return;
    this.#book.save({ desired: "stopped", stoppedBecause: because });
    this.#dependencies.log.debug({ instance: this.#book.record.id }, "instance marked stopped");
  }

  async #stop(because: string): Promise<void> {
    this.markStopped(because);
    this.#end.abort(new WaybillError("CONFLICT", `${this.#book.record.id} was stopped: ${because}`));
    await this.#loop;
    await this.#starts.terminate();
    this.#dependencies.log.debug({ instance: this.#book.record.id }, "instance ended");
    this.#book.removePrivateFiles();
    this.#book.note(`stopped: ${because}`);
    this.#book.report({ state: "stopped", reason: because });
  }

  async #run(first: () => Promise<StartedProcess | null>): Promise<void> {
    const { log } = this.#dependencies;
    try {
      await this.#keep(await first());
    } catch (error) {
      this.#firstAnswer.reject(error);
      if (this.#end.signal.aborted || isLeaseLost(error)) return;
      log.error({ instance: this.#book.record.id, error: messageOf(error) }, "instance is no longer kept running");
      this.#book.report({ state: "failed", reason: messageOf(error) });
    }
  }

  async #keep(adopted: StartedProcess | null): Promise<void> {
    const { clock } = this.#dependencies;
    const { signal } = this.#end;
    let failures = 0;
    let portTries = 0;
    for (let next = adopted; ; next = null) {
      const outcome = await this.#bringUp(next);
      const readyAtMs = clock.now().getTime();
      let reason: string;
      if (outcome.ready) {
        this.#markReady(outcome.hostname);
        reason = this.#evidence.describe(await this.#awaitEnd(outcome.process));
        if (clock.now().getTime() - readyAtMs >= backoffResetMs) failures = 0;
      } else {
        // Before its end adds lines of its own to the log.
        reason = this.#evidence.describe(outcome.trouble);
        await this.#starts.terminate();
        if (this.#isWaking) {
          this.#firstAnswer.reject(new WaybillError("WORKLOAD_FAILED", reason));
          return;
        }
        if (this.#book.record.readyAt === null) {
          portTries += 1;
          if (portTries < maxPortTries && (await this.#starts.movedToFreePorts(outcome.trouble))) continue;
          this.#giveUp(reason);
          return;
        }
      }
      if (this.#book.record.desired === "stopped") return;
      failures += 1;
      const delayMs = backoffMs({ ...restartBackoff, failures });
      this.#book.note(`${firstLine(reason)}; starting again in ${delayMs / 1_000} s`);
      this.#book.report({ state: "degraded", reason: `${reason}\nstarts again in ${delayMs / 1_000} s` });
      await clock.sleep(delayMs, signal);
      await this.#confirm();
    }
  }

  async #bringUp(adopted: StartedProcess | null): Promise<BroughtUp> {
    const { clock } = this.#dependencies;
    const { signal } = this.#end;
    if (this.#book.status.state !== "degraded" && !adopted) this.#book.report({ state: "starting", reason: "" });
    try {
      const process = adopted ?? (await this.#starts.launch(signal));
      const answer = await awaitReadiness({
        record: this.#book.record,
        process,
        clock,
        signal,
        onProgress: (message) => this.#tell(message),
      });
      if (answer.ready) return { ...answer, process };
      if (answer.trouble.kind !== "exited") return answer;
      return { ready: false, trouble: { ...answer.trouble, wasMemory: this.#evidence.wasKilledForMemory() } };
    } catch (error) {
      signal.throwIfAborted();
      return { ready: false, trouble: { kind: "not startable", message: messageOf(error) } };
    }
  }

  #markReady(hostname: string): void {
    const { clock, log } = this.#dependencies;
    const readyAt = this.#book.record.readyAt ?? clock.now().toISOString();
    this.#isWaking = false;
    this.#book.save({ readyAt, hostname });
    log.debug({ instance: this.#book.record.id }, "instance ready");
    this.#book.report({ state: "ready", reason: "" });
    this.#firstAnswer.resolve(this.#book.record);
  }

  async #awaitEnd(process: StartedProcess): Promise<Trouble> {
    const exit = await process.ended(this.#end.signal);
    const uptimeMs = process.ageMs();
    await this.#confirm();
    // What the program leaves behind would hold its port.
    killMarked(markerOf(this.#book.record.id));
    return { kind: "exited", exit, uptimeMs, wasMemory: this.#evidence.wasKilledForMemory() };
  }

  #confirm(): Promise<void> {
    const { lease, clock } = this.#dependencies;
    return untilConfirmed(lease, { clock, signal: this.#end.signal });
  }

  #giveUp(reason: string): void {
    this.#book.save({ desired: "stopped", stoppedBecause: reason });
    this.#book.removePrivateFiles();
    this.#book.note(`given up: ${firstLine(reason)}`);
    this.#book.report({ state: "failed", reason });
    this.#firstAnswer.reject(new WaybillError("WORKLOAD_FAILED", reason));
  }

  #tell(message: string): void {
    for (const listener of this.#progress) listener(message);
  }
}
