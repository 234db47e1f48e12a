import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../../core/clock.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import type { Lease } from "../../../core/lease.ts";
import { makeFeed, type Feed } from "../../../core/feed.ts";
import type { Log } from "../../../core/log.ts";
import type { Spawn } from "../../../core/spawn.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";
import type { SecretReader, WorkloadStatus } from "../../workload.ts";
import { makeLogKeeper } from "../logs/log-keeper.ts";
import { instanceFolder, markerName, readRecord, type InstanceRecord, type InstanceSpec } from "./instance.ts";
import { installWrapper, orAborted } from "./launch.ts";
import { bindPorts } from "./ports.ts";
import { markedValues } from "./process-table.ts";
import { InstanceRunner, type RunnerDependencies } from "./runner.ts";

export interface SupervisorDependencies {
  /** Holds a folder per instance. */
  readonly folder: string;
  readonly sourceFolder: (key: string) => string | null;
  readonly secrets: SecretReader;
  readonly clock: Clock;
  readonly lease: Pick<Lease, "confirm">;
  readonly log: Log;
  readonly spawn: Spawn;
}

export interface StartOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
}

export interface StatusChange {
  readonly stack: StackName;
  readonly status: WorkloadStatus;
}

const isAsleep = ({ record }: InstanceRunner): boolean => (record.asleepSince ?? null) !== null;

/** Keeps every instance running that should run, over restarts of the server too. */
export class Supervisor {
  readonly #dependencies: SupervisorDependencies;
  readonly #runners = new Map<string, InstanceRunner>();
  readonly #statuses: Feed<StatusChange> = makeFeed();
  readonly #published = new Map<string, StatusChange>();
  readonly #retiring = new Set<Promise<void>>();
  readonly #logs: ReturnType<typeof makeLogKeeper>;
  readonly #end = new AbortController();
  readonly #wrapper: string;
  readonly #keeping: Promise<void>;
  #making: Promise<unknown> = Promise.resolve();

  constructor(dependencies: SupervisorDependencies) {
    this.#dependencies = dependencies;
    mkdirSync(dependencies.folder, { recursive: true, mode: 0o700 });
    this.#wrapper = installWrapper(dependencies.folder);
    this.#logs = makeLogKeeper({
      clock: dependencies.clock,
      log: dependencies.log,
      pathOf: (id) => this.logPath(id),
    });
    this.#keeping = this.#logs.keep(() => this.#runningIds(), this.#end.signal);
  }

  /** Takes over every recorded instance, ends those whose stop was interrupted, and starts those that died. */
  async adopt(): Promise<void> {
    const { folder } = this.#dependencies;
    const records = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !this.#runners.has(entry.name))
      .flatMap((entry) => readRecord(instanceFolder(join(folder, entry.name))) ?? []);
    // All are known before the first is started, or it could be given a port that another one holds.
    const runners = records.map((record) => this.#makeRunner(record));
    // Looked up once: after a restart of the machine every instance is found ended, and each look goes through /proc.
    const alive = markedValues(markerName);
    await Promise.all(
      runners.map((runner) => {
        const isAlive = alive.has(runner.record.id);
        if (runner.record.desired !== "running") return runner.finishStop();
        return isAsleep(runner) ? runner.rest({ isAlive, failure: null }) : runner.adopt(isAlive);
      }),
    );
  }

  /**
   * Starts the instance and waits until it answers. Called again with the same id it answers for the same instance.
   * Rejects with WORKLOAD_FAILED when it does not come to answer; nothing of it runs then but its log is kept.
   */
  async start(id: string, spec: InstanceSpec, { signal, onProgress }: StartOptions): Promise<InstanceRecord> {
    signal.throwIfAborted();
    const runner = await this.#runnerFor(id, spec);
    try {
      return await runner.whenReady(signal, onProgress);
    } catch (error) {
      if (signal.aborted) await runner.stop("the deploy was cancelled before it answered");
      throw error;
    }
  }

  /** Ends an instance; one that is not known or has ended already is fine. */
  async stop(id: string, because: string): Promise<void> {
    await this.#runners.get(id)?.stop(because);
  }

  /** Ends the instance that holds the port until somebody asks for it; false where it is not in a state to sleep. */
  async fallAsleep(stack: StackName, port: number): Promise<boolean> {
    const runner = this.#runnerAt(stack, port);
    if (!runner || isAsleep(runner)) return runner !== null;
    if (runner.status.state !== "ready") return false;
    await runner.fallAsleep("nobody asked for it");
    await this.#makeRunner(runner.record).rest({ isAlive: false, failure: null });
    return true;
  }

  /** Resolves once the instance that holds the port answers again; rejects with WORKLOAD_FAILED and why it does not. */
  async wake(stack: StackName, port: number, signal: AbortSignal): Promise<void> {
    const runner = this.#runnerAt(stack, port);
    if (!runner) throw new WaybillError("WORKLOAD_FAILED", `nothing of ${stackKey(stack)} is kept for port ${port}`);
    await this.#wakened(runner)
      .whenReady(signal, () => undefined)
      .catch(async (error: unknown) => {
        signal.throwIfAborted();
        const { record } = this.#runners.get(runner.record.id) ?? runner;
        if (record.desired === "running") await this.#restAfter(record.id, messageOf(error));
        throw error;
      });
  }

  /**
   * Ends an instance once it has answered what it was asked. Returns when that is certain to happen, over a restart of
   * the server too: whoever waits for a deploy need not wait for the last request to the old revision.
   */
  retire(
    id: string,
    { because, drained }: { because: string; drained: (signal: AbortSignal) => Promise<unknown> },
  ): void {
    const runner = this.#runners.get(id);
    if (runner?.record.desired !== "running") return;
    runner.markStopped(because);
    const { signal } = this.#end;
    const retired = orAborted(drained(signal), signal)
      .catch((error: unknown) => {
        if (!signal.aborted) this.#dependencies.log.warn({ instance: id, error: messageOf(error) }, "not drained");
      })
      .then(() => (signal.aborted ? undefined : runner.stop(because)))
      .finally(() => this.#retiring.delete(retired));
    this.#retiring.add(retired);
  }

  /** Resolves when every retired instance has ended. */
  async retired(): Promise<void> {
    while (this.#retiring.size > 0) await Promise.all(this.#retiring);
  }

  find(id: string): InstanceRecord | null {
    return this.#runners.get(id)?.record ?? null;
  }

  /** Every kept instance of the stack, running or not, in the order of their creation. */
  of(stack: StackName): readonly InstanceRecord[] {
    return this.#records().filter(({ spec }) => stackKey(spec.stack) === stackKey(stack));
  }

  /** The newest instance that has answered says how the stack is; before there is one, the newest. Null: none runs. */
  status(stack: StackName): WorkloadStatus | null {
    const running = this.of(stack).filter(({ desired }) => desired === "running");
    const shown = running.findLast(({ readyAt }) => readyAt !== null) ?? running.at(-1);
    return (shown && this.#runners.get(shown.id)?.status) ?? null;
  }

  /** Tells the listener how each stack is, and then every change. */
  onStatus(listener: (change: StatusChange) => void): () => void {
    for (const { stack, status } of this.#published.values()) listener({ stack, status });
    return this.#statuses.listen(listener);
  }

  logPath(id: string): string {
    return instanceFolder(join(this.#dependencies.folder, id)).log;
  }

  /** Removes what is kept of stopped instances, but for the newest of each stack that ran lately. */
  forgetAllBut({ kept, before }: { kept: number; before: Date }): void {
    const counts = new Map<string, number>();
    for (const { id, spec, desired } of [...this.#records()].reverse()) {
      if (desired === "running") continue;
      const count = (counts.get(stackKey(spec.stack)) ?? 0) + 1;
      counts.set(stackKey(spec.stack), count);
      const folder = instanceFolder(join(this.#dependencies.folder, id));
      const isYoung = (statSync(folder.record, { throwIfNoEntry: false })?.mtimeMs ?? 0) > before.getTime();
      // While the private folder is there, it is still being stopped.
      if ((isYoung && count <= kept) || existsSync(folder.private)) continue;
      this.#runners.delete(id);
      this.#logs.forget(id);
      rmSync(folder.path, { recursive: true, force: true });
    }
  }

  /** Ends the supervision; the programs run on. */
  async detach(): Promise<void> {
    this.#end.abort();
    await this.retired();
    await Promise.all([...this.#runners.values()].map((runner) => runner.detach()));
    await this.#keeping;
  }

  /** Ends every program and the supervision. What should run is still meant to: the next `adopt` starts it again. */
  async stopAll(): Promise<void> {
    this.#end.abort();
    await this.retired();
    await Promise.all([...this.#runners.values()].map((runner) => runner.suspend()));
    await this.#keeping;
  }

  #records(): readonly InstanceRecord[] {
    return [...this.#runners.values()]
      .map(({ record }) => record)
      .sort((a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id));
  }

  #runnerAt({ repository, environment, deployment }: StackName, port: number): InstanceRunner | null {
    const key = stackKey({ repository, environment, deployment });
    const holds = ({ record: { spec, desired, ports } }: InstanceRunner): boolean =>
      desired === "running" && stackKey(spec.stack) === key && ports.some(({ actual }) => actual === port);
    return [...this.#runners.values()].find(holds) ?? null;
  }

  /** An instance that sleeps has a runner that does nothing: the next one takes its place. */
  #wakened(runner: InstanceRunner): InstanceRunner {
    if (!isAsleep(runner)) return runner;
    const next = this.#makeRunner(runner.record);
    next.wake();
    return next;
  }

  async #restAfter(id: string, failure: string): Promise<void> {
    const failed = this.#runners.get(id);
    if (!failed) return;
    await failed.fallAsleep("it did not wake");
    await this.#makeRunner(failed.record).rest({ isAlive: false, failure });
  }

  async #runnerFor(id: string, spec: InstanceSpec): Promise<InstanceRunner> {
    const known = this.#runners.get(id);
    if (known?.record.desired === "running") return this.#wakened(known);
    if (known) await known.stop("it is being started again");
    // One at a time, or two could choose the same port before either is known to hold it.
    const made = this.#making.then(() => this.#make(id, spec));
    this.#making = made.catch(() => undefined);
    return made;
  }

  async #make(id: string, spec: InstanceSpec): Promise<InstanceRunner> {
    const made = this.#runners.get(id);
    if (made?.record.desired === "running") return made;
    const folder = instanceFolder(join(this.#dependencies.folder, id));
    const before = readRecord(folder);
    const record: InstanceRecord = {
      id,
      spec,
      ports: await bindPorts(spec.ports, this.#takenPorts()),
      attempt: before?.attempt ?? 0,
      desired: "running",
      createdAt: before?.createdAt ?? this.#dependencies.clock.now().toISOString(),
      readyAt: null,
      hostname: "127.0.0.1",
      stoppedBecause: null,
    };
    this.#dependencies.log.debug({ instance: id }, "instance made");
    const runner = this.#makeRunner(record);
    runner.start();
    return runner;
  }

  #makeRunner(record: InstanceRecord): InstanceRunner {
    const { folder, sourceFolder, secrets, clock, lease, log, spawn } = this.#dependencies;
    const dependencies: RunnerDependencies = {
      wrapper: this.#wrapper,
      secrets,
      clock,
      lease,
      log,
      spawn,
      sourceFolder,
      takenPorts: () => this.#takenPorts(),
      onStatus: ({ spec }) => this.#publish(spec.stack),
    };
    const runner = new InstanceRunner(record, join(folder, record.id), dependencies);
    this.#runners.set(record.id, runner);
    return runner;
  }

  /** Said when the stack's status changed: what becomes of a replaced instance is nobody's concern. */
  #publish(stack: StackName): void {
    const status = this.status(stack);
    const key = stackKey(stack);
    const before = this.#published.get(key)?.status;
    if (!status) this.#published.delete(key);
    if (!status || (before?.state === status.state && before.reason === status.reason)) return;
    this.#published.set(key, { stack, status });
    this.#statuses.publish({ stack, status });
  }

  #takenPorts(): ReadonlySet<number> {
    const running = [...this.#runners.values()].filter(({ record }) => record.desired === "running");
    return new Set(running.flatMap(({ record }) => record.ports.map(({ actual }) => actual)));
  }

  #runningIds(): readonly string[] {
    return [...this.#runners].flatMap(([id, { record }]) => (record.desired === "running" ? [id] : []));
  }
}
