import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StackName } from "../../../core/stack.ts";
import type { SecretUse } from "../../workload.ts";
import type { PortBinding } from "./ports.ts";

/** One program of one revision, as data: everything that affects how it runs, and no secret's value. */
export interface InstanceSpec {
  readonly stack: StackName;
  readonly kind: "service" | "worker";
  /** The key of the source tree that it runs from. */
  readonly source: string;
  /** Relative to the tree. */
  readonly workingDir: string;
  readonly startScript: string | null;
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: readonly SecretUse[];
  /** Ports as the file names them, the main one first; empty for a worker. Each gets a free port of this machine. */
  readonly ports: readonly number[];
  readonly health: HealthCheck | null;
  readonly startTimeoutSeconds: number;
  readonly stopTimeoutSeconds: number;
  readonly restart: string | null;
}

export interface HealthCheck {
  /** Null: any HTTP answer will do. */
  readonly path: string | null;
  readonly timeoutSeconds: number;
  /** What the main port speaks; of gRPC only the connection is tried. */
  readonly protocol: "http" | "grpc";
}

/** What is known of an instance across restarts of the server: `instance.json`, always written before it is acted on. */
export interface InstanceRecord {
  readonly id: string;
  readonly spec: InstanceSpec;
  readonly ports: readonly PortBinding[];
  /** Counts starts; the files of one start carry its number. */
  readonly attempt: number;
  readonly desired: "running" | "stopped";
  readonly createdAt: string;
  /** When it first answered; null until then. */
  readonly readyAt: string | null;
  /** The loopback address it answers on. */
  readonly hostname: string;
  /** Since when it sleeps, to be started again by a request; absent while it is awake. Written before it is ended. */
  readonly asleepSince?: string | null;
  /** Why it does not run, in the user's words. */
  readonly stoppedBecause: string | null;
}

/** Where the files of an instance lie. */
export interface InstanceFolder {
  readonly path: string;
  readonly record: string;
  readonly log: string;
  /** Home, temporary files and secrets: removed on stop. */
  readonly private: string;
  claim(attempt: number): string;
  exit(attempt: number): string;
}

export function instanceFolder(path: string): InstanceFolder {
  return {
    path,
    record: join(path, "instance.json"),
    log: join(path, "output.log"),
    private: join(path, "private"),
    claim: (attempt) => join(path, `start-${attempt}.claim`),
    exit: (attempt) => join(path, `start-${attempt}.exit`),
  };
}

/** Every process of an instance carries its id in this variable, its children's children too. */
export const markerName = "WAYBILL_INSTANCE";
export const markerOf = (id: string): string => `${markerName}=${id}`;

export function writeRecord(folder: InstanceFolder, record: InstanceRecord): void {
  mkdirSync(folder.path, { recursive: true, mode: 0o700 });
  const draft = `${folder.record}.new`;
  writeFileSync(draft, JSON.stringify(record), { mode: 0o600 });
  renameSync(draft, folder.record);
}

/** Null when the folder holds no complete record: then nothing was ever started from it. */
export function readRecord(folder: InstanceFolder): InstanceRecord | null {
  try {
    return JSON.parse(readFileSync(folder.record, "utf8")) as InstanceRecord;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
