import { mkdirSync, rmSync } from "node:fs";
import type { Clock } from "../../../core/clock.ts";
import type { WorkloadStatus } from "../../workload.ts";
import { note } from "../logs/log-file.ts";
import { instanceFolder, writeRecord, type InstanceFolder, type InstanceRecord } from "./instance.ts";

interface BookParts {
  readonly clock: Clock;
  readonly onStatus: (record: InstanceRecord, status: WorkloadStatus) => void;
}

/** What is known of one instance: its record, its status, and the lines of ours in its log. */
export class InstanceBook {
  readonly folder: InstanceFolder;
  readonly #parts: BookParts;
  #record: InstanceRecord;
  #status: WorkloadStatus = { state: "starting", reason: "" };

  constructor(record: InstanceRecord, path: string, parts: BookParts) {
    this.folder = instanceFolder(path);
    this.#record = record;
    this.#parts = parts;
  }

  get record(): InstanceRecord {
    return this.#record;
  }

  get status(): WorkloadStatus {
    return this.#status;
  }

  /** Written before this returns. */
  save(changes: Partial<InstanceRecord>): void {
    this.#record = { ...this.#record, ...changes };
    mkdirSync(this.folder.path, { recursive: true, mode: 0o700 });
    writeRecord(this.folder, this.#record);
  }

  note(text: string): void {
    note(this.folder.log, this.#parts.clock.now(), text);
  }

  report(status: WorkloadStatus): void {
    this.#status = status;
    this.#parts.onStatus(this.#record, status);
  }

  /** Home, temporary files and secrets: the record goes on telling. */
  removePrivateFiles(): void {
    rmSync(this.folder.private, { recursive: true, force: true });
  }
}
