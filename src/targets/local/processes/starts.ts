import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import type { Spawn } from "../../../core/spawn.ts";
import type { SecretReader } from "../../workload.ts";
import type { Trouble } from "./diagnosis.ts";
import { endProcess } from "./ending.ts";
import { prepareEnvironment, revealSecrets, workingFolder } from "./environment.ts";
import type { Evidence } from "./evidence.ts";
import type { InstanceBook } from "./instance-book.ts";
import { markerOf } from "./instance.ts";
import { launch, settleClaim, watch, type StartedProcess } from "./launch.ts";
import { bindPorts, isFree } from "./ports.ts";
import { killMarked } from "./process-table.ts";

export interface StartDependencies {
  /** Path of the installed wrapper. */
  readonly wrapper: string;
  readonly secrets: SecretReader;
  readonly clock: Clock;
  readonly log: Log;
  readonly spawn: Spawn;
  /** The tree's folder, null when it is not kept any more. */
  readonly sourceFolder: (key: string) => string | null;
  /** Ports that instances of this server hold, running or not. */
  readonly takenPorts: () => ReadonlySet<number>;
}

/** Starts and ends one instance's process, each start under a number of its own. */
export class Starts {
  readonly #dependencies: StartDependencies;
  readonly #book: InstanceBook;
  readonly #evidence: Evidence;
  #process: StartedProcess | null = null;

  constructor(dependencies: StartDependencies, { book, evidence }: { book: InstanceBook; evidence: Evidence }) {
    this.#dependencies = dependencies;
    this.#book = book;
    this.#evidence = evidence;
  }

  async launch(signal: AbortSignal): Promise<StartedProcess> {
    const { secrets, wrapper, log, clock, spawn, sourceFolder } = this.#dependencies;
    const { folder } = this.#book;
    const cwd = workingFolder(this.#book.record, sourceFolder);
    const attempt = this.#book.record.attempt + 1;
    this.#book.save({ attempt });
    const { record } = this.#book;
    log.debug({ instance: record.id }, "instance recorded");
    const values = await revealSecrets(record, secrets);
    this.#evidence.hide(values);
    signal.throwIfAborted();
    const env = prepareEnvironment(record, folder, values);
    this.#evidence.beginStart();
    const { startScript, command } = record.spec;
    const [claim, exit] = [folder.claim(attempt), folder.exit(attempt)];
    const request = { claim, exit, log: folder.log, cwd, env, startScript, command };
    const process = await launch({ wrapper, spawn, clock }, request);
    log.debug({ instance: record.id, pid: process.pid }, "instance spawned");
    const [main] = record.ports;
    this.#book.note(`start ${attempt}${main ? ` on port ${main.actual}` : ""}`);
    this.#process = process;
    return process;
  }

  /** What another server started. `isAlive`: some process of the instance was seen. Null: nothing of it runs. */
  async takeOver(isAlive: boolean): Promise<StartedProcess | null> {
    const { clock, log, secrets } = this.#dependencies;
    const { id, attempt, ports } = this.#book.record;
    if (attempt === 0) return null;
    const paths = { claim: this.#book.folder.claim(attempt), exit: this.#book.folder.exit(attempt) };
    const claim = await settleClaim(paths, clock);
    this.#evidence.beginAdoption();
    if (claim.kind === "running") {
      log.info({ instance: id, pid: claim.process.pid, port: ports[0]?.actual }, "instance adopted");
      this.#book.note("adopted by a new server process");
      // Only to redact them: a secret that is gone does not end what runs with it.
      this.#evidence.hide(await revealSecrets(this.#book.record, secrets).catch(() => new Map()));
      this.#process = watch(claim.process, paths.exit, clock);
      return this.#process;
    }
    if (isAlive) killMarked(markerOf(id));
    return null;
  }

  async terminate(): Promise<void> {
    const { id, spec } = this.#book.record;
    const graceMs = spec.stopTimeoutSeconds * 1_000;
    await endProcess(this.#process, { marker: markerOf(id), graceMs, clock: this.#dependencies.clock });
    this.#process = null;
  }

  /** True when another program took a port between our choice and its use; others are chosen then. */
  async movedToFreePorts(trouble: Trouble): Promise<boolean> {
    const { ports, spec } = this.#book.record;
    if (trouble.kind !== "exited" || ports.length === 0) return false;
    const { takenPorts } = this.#dependencies;
    const others = new Set([...takenPorts()].filter((port) => !ports.some(({ actual }) => actual === port)));
    const stillFree = await Promise.all(ports.map(({ actual }) => isFree(actual)));
    if (stillFree.every(Boolean)) return false;
    this.#book.save({ ports: await bindPorts(spec.ports, others) });
    return true;
  }
}
