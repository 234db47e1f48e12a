import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { startTimeOf } from "../../targets/local/processes/process-table.ts";

/** One boot of a machine, and within it one numbering of processes: containers have their own. Null: not to be told. */
function machineOf(): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return null;
  }
}

/** This process, in words that another process of the machine can tell by whether it lives. */
export const placeOfProcess = (): string =>
  JSON.stringify({
    host: hostname(),
    pid: process.pid,
    startedAt: startTimeOf(process.pid),
    machine: machineOf(),
  });

interface ProcessPlace {
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string | null;
  readonly machine: string | null;
}

function parse(place: string): ProcessPlace | null {
  try {
    return JSON.parse(place) as ProcessPlace;
  } catch {
    return null;
  }
}

/** Only where that can be known: a process of this machine that is there no more. */
export function isDead(place: string): boolean {
  const known = parse(place);
  const machine = machineOf();
  if (known === null || machine === null || known.machine !== machine) return false;
  return startTimeOf(known.pid) !== known.startedAt;
}

/** For people. */
export function titleOf(place: string): string {
  const known = parse(place);
  return known === null ? "an unknown server" : `process ${known.pid} on ${known.host}`;
}
