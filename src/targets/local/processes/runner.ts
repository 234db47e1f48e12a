import { existsSync, mkdirSync, rmSync } from "node:fs";
import { backoffMs } from "../../../core/backoff.ts";
import type { Clock } from "../../../core/clock.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import { isLeaseLost, untilConfirmed, type Lease } from "../../../core/lease.ts";
import type { Log } from "../../../core/log.ts";
import type { Spawn } from "../../../core/spawn.ts";
import type { SecretReader, WorkloadStatus } from "../../workload.ts";
import { note } from "../logs/log-file.ts";
import type { Trouble } from "./diagnosis.ts";
import { endProcess } from "./ending.ts";
import { prepareEnvironment, revealSecrets, workingFolder } from "./environment.ts";
import { Evidence } from "./evidence.ts";
import { instanceFolder, markerOf, writeRecord, type InstanceFolder, type InstanceRecord } from "./instance.ts";
import { launch, orAborted, settleClaim, watch, type StartedProcess } from "./launch.ts";
import { bindPorts, isFree } from "./ports.ts";
import { killMarked } from "./process-table.ts";
import { awaitReadiness } from "./readiness.ts";

export interface RunnerDependencies {
  /** Path of the installed wrapper. */
  readonly wrapper: string;
  readonly secrets: SecretReader;
  readonly clock: Clock;
  /** Asked before what nobody asked this server for: it may have stood still, and another acts. */
  readonly lease: Pick<Lease, "confirm">;
  readonly log: Log;
  readonly spawn: Spawn;
  /** The tree's folder, null when it is not kept any more. */
  readonly sourceFolder: (key: string) => string | null;
  /** Ports that instances of this server hold, running or not. */
  readonly takenPorts: () => ReadonlySet<number>;
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
  readonly #folder: InstanceFolder;
  readonly #end = new AbortController();
  readonly #firstAnswer = Promise.withResolvers<InstanceRecord>();
  readonly #evidence: Evidence;
  readonly #progress = new Set<(message: string) => void>();
  #record: InstanceRecord;
  #status: WorkloadStatus = { state: "starting", reason: "" };
  #process: StartedProcess | null = null;
  #isWaking = false;
  #loop: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | null = null;

  constructor(record: InstanceRecord, path: string, dependencies: RunnerDependencies) {
    this.#record = record;
    this.#folder = instanceFolder(path);
    this.#evidence = new Evidence(this.#folder.log, record.spec.kind);
    this.#dependencies = dependencies;
    // Whoever waits for the first answer sees its failure; nobody may be waiting.
    this.#firstAnswer.promise.catch(() => undefined);
  }

  get record(): InstanceRecord {
    return this.#record;
  }

  get status(): WorkloadStatus {
    return this.#status;
  }

  get folder(): InstanceFolder {
    return this.#folder;
  }

  start(): void {
    this.#loop = this.#run(() => Promise.resolve(null));
  }

  /** Starts what slept. The first failure is the last: whoever asks next tries again. */
  wake(): void {
    this.#isWaking = true;
    this.#save({ asleepSince: null });
    this.#note("woken by a request");
    this.start();
  }

  /** Ends the process; the record still wants it running, once somebody asks for it. */
  async fallAsleep(because: string): Promise<void> {
    this.#save({ asleepSince: this.#dependencies.clock.now().toISOString() });
    this.#dependencies.log.debug({ instance: this.#record.id }, "instance marked asleep");
    await this.suspend();
    if (this.#record.desired === "running") this.#note(`asleep: ${because}`);
  }

  /** Takes the place of an instance that sleeps, and ends what an interrupted falling asleep has left of it. */
  async rest({ isAlive, failure }: { isAlive: boolean; failure: string | null }): Promise<void> {
    if (isAlive) {
      this.#process = await this.#takeOver(true);
      await this.#terminate();
    }
    if (failure === null)
      this.#report({ state: "sleeping", reason: `asleep since ${this.#record.asleepSince ?? ""}; wakes on a request` });
    else this.#report({ state: "degraded", reason: `it did not wake: ${failure}\nthe next request tries again` });
  }

  /** Takes over what another server started, and starts it again where it ended meanwhile. Resolves when it is known. */
  async adopt(isAlive: boolean): Promise<void> {
    const known = Promise.withResolvers<void>();
    this.#loop = this.#run(() => this.#takeOver(isAlive).finally(known.resolve));
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
    if (!existsSync(this.#folder.private)) return;
    this.#process = await this.#takeOver(true);
    await this.stop(this.#record.stoppedBecause ?? "it was being stopped when the server ended");
  }

  /** Lets go of the process without touching it. */
  async detach(): Promise<void> {
    this.#end.abort(new WaybillError("CONFLICT", "the server is stopping"));
    await this.#loop;
  }

  /** Ends the process because the server ends; the record still wants it running. */
  async suspend(): Promise<void> {
    await this.detach();
    await this.#terminate();
  }

  /** From here on it is not started again, and a server that dies finishes the stop at its next start. */
  markStopped(because: string): void {
    if (this.#record.desired === "stopped") return;
    this.#save({ desired: "stopped", stoppedBecause: because });
    this.#dependencies.log.debug({ instance: this.#record.id }, "instance marked stopped");
  }

  async #stop(because: string): Promise<void> {
    this.markStopped(because);
    this.#end.abort(new WaybillError("CONFLICT", `${this.#record.id} was stopped: ${because}`));
    await this.#loop;
    await this.#terminate();
    this.#dependencies.log.debug({ instance: this.#record.id }, "instance ended");
    rmSync(this.#folder.private, { recursive: true, force: true });
    this.#note(`stopped: ${because}`);
    this.#report({ state: "stopped", reason: because });
  }

  async #run(first: () => Promise<StartedProcess | null>): Promise<void> {
    const { log } = this.#dependencies;
    try {
      await this.#keep(await first());
    } catch (error) {
      this.#firstAnswer.reject(error);
      if (this.#end.signal.aborted || isLeaseLost(error)) return;
      log.error({ instance: this.#record.id, error: messageOf(error) }, "instance is no longer kept running");
      this.#report({ state: "failed", reason: messageOf(error) });
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
        reason = this.#evidence.describe(await this.#awaitEnd(outcome.process, readyAtMs));
        if (clock.now().getTime() - readyAtMs >= backoffResetMs) failures = 0;
      } else {
        // Before its end adds lines of its own to the log.
        reason = this.#evidence.describe(outcome.trouble);
        await this.#terminate();
        if (this.#isWaking) {
          this.#firstAnswer.reject(new WaybillError("WORKLOAD_FAILED", reason));
          return;
        }
        if (this.#record.readyAt === null) {
          portTries += 1;
          if (portTries < maxPortTries && (await this.#movedToFreePorts(outcome.trouble))) continue;
          this.#giveUp(reason);
          return;
        }
      }
      if (this.#record.desired === "stopped") return;
      failures += 1;
      const delayMs = backoffMs({ ...restartBackoff, failures });
      this.#note(`${firstLine(reason)}; starting again in ${delayMs / 1_000} s`);
      this.#report({ state: "degraded", reason: `${reason}\nstarts again in ${delayMs / 1_000} s` });
      await clock.sleep(delayMs, signal);
      await this.#confirm();
    }
  }

  async #bringUp(adopted: StartedProcess | null): Promise<BroughtUp> {
    const { clock } = this.#dependencies;
    const { signal } = this.#end;
    if (this.#status.state !== "degraded" && !adopted) this.#report({ state: "starting", reason: "" });
    try {
      const process = adopted ?? (await this.#launch());
      this.#process = process;
      const answer = await awaitReadiness({
        record: this.#record,
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

  async #launch(): Promise<StartedProcess> {
    const { secrets, wrapper, log, clock, spawn, sourceFolder } = this.#dependencies;
    const cwd = workingFolder(this.#record, sourceFolder);
    const attempt = this.#record.attempt + 1;
    this.#save({ attempt });
    log.debug({ instance: this.#record.id }, "instance recorded");
    const values = await revealSecrets(this.#record, secrets);
    this.#evidence.hide(values);
    this.#end.signal.throwIfAborted();
    const env = prepareEnvironment(this.#record, this.#folder, values);
    this.#evidence.beginStart();
    const { startScript, command } = this.#record.spec;
    const [claim, exit] = [this.#folder.claim(attempt), this.#folder.exit(attempt)];
    const request = { claim, exit, log: this.#folder.log, cwd, env, startScript, command };
    const process = await launch({ wrapper, spawn, clock }, request);
    log.debug({ instance: this.#record.id, pid: process.pid }, "instance spawned");
    this.#note(`start ${attempt}${this.#portText()}`);
    return process;
  }

  /** `isAlive`: some process of the instance was seen. */
  async #takeOver(isAlive: boolean): Promise<StartedProcess | null> {
    const { clock, log, secrets } = this.#dependencies;
    const { id, attempt, ports } = this.#record;
    if (attempt === 0) return null;
    const paths = { claim: this.#folder.claim(attempt), exit: this.#folder.exit(attempt) };
    const claim = await settleClaim(paths, clock);
    this.#evidence.beginAdoption();
    if (claim.kind === "running") {
      log.info({ instance: id, pid: claim.process.pid, port: ports[0]?.actual }, "instance adopted");
      this.#note("adopted by a new server process");
      // Only to redact them: a secret that is gone does not end what runs with it.
      this.#evidence.hide(await revealSecrets(this.#record, secrets).catch(() => new Map()));
      return watch(claim.process, paths.exit, clock);
    }
    if (isAlive) killMarked(markerOf(id));
    return null;
  }

  #markReady(hostname: string): void {
    const { clock, log } = this.#dependencies;
    const readyAt = this.#record.readyAt ?? clock.now().toISOString();
    this.#isWaking = false;
    this.#save({ readyAt, hostname });
    log.debug({ instance: this.#record.id }, "instance ready");
    this.#report({ state: "ready", reason: "" });
    this.#firstAnswer.resolve(this.#record);
  }

  async #awaitEnd(process: StartedProcess, readyAtMs: number): Promise<Trouble> {
    const exit = await process.ended(this.#end.signal);
    const uptimeMs = this.#dependencies.clock.now().getTime() - readyAtMs;
    await this.#confirm();
    // What the program leaves behind would hold its port.
    killMarked(markerOf(this.#record.id));
    return { kind: "exited", exit, uptimeMs, wasMemory: this.#evidence.wasKilledForMemory() };
  }

  #confirm(): Promise<void> {
    const { lease, clock } = this.#dependencies;
    return untilConfirmed(lease, { clock, signal: this.#end.signal });
  }

  /** True when another program took a port between our choice and its use; others are chosen then. */
  async #movedToFreePorts(trouble: Trouble): Promise<boolean> {
    if (trouble.kind !== "exited" || this.#record.ports.length === 0) return false;
    const { takenPorts } = this.#dependencies;
    const others = new Set(
      [...takenPorts()].filter((port) => !this.#record.ports.some(({ actual }) => actual === port)),
    );
    const stillFree = await Promise.all(this.#record.ports.map(({ actual }) => isFree(actual)));
    if (stillFree.every(Boolean)) return false;
    this.#save({ ports: await bindPorts(this.#record.spec.ports, others) });
    return true;
  }

  #giveUp(reason: string): void {
    this.#save({ desired: "stopped", stoppedBecause: reason });
    rmSync(this.#folder.private, { recursive: true, force: true });
    this.#note(`given up: ${firstLine(reason)}`);
    this.#report({ state: "failed", reason });
    this.#firstAnswer.reject(new WaybillError("WORKLOAD_FAILED", reason));
  }

  async #terminate(): Promise<void> {
    const { id, spec } = this.#record;
    const graceMs = spec.stopTimeoutSeconds * 1_000;
    await endProcess(this.#process, { marker: markerOf(id), graceMs, clock: this.#dependencies.clock });
    this.#process = null;
  }

  #portText(): string {
    const [main] = this.#record.ports;
    return main ? ` on port ${main.actual}` : "";
  }

  #tell(message: string): void {
    for (const listener of this.#progress) listener(message);
  }

  #note(text: string): void {
    note(this.#folder.log, this.#dependencies.clock.now(), text);
  }

  #save(changes: Partial<InstanceRecord>): void {
    this.#record = { ...this.#record, ...changes };
    mkdirSync(this.#folder.path, { recursive: true, mode: 0o700 });
    writeRecord(this.#folder, this.#record);
  }

  #report(status: WorkloadStatus): void {
    this.#status = status;
    this.#dependencies.onStatus(this.#record, status);
  }
}
