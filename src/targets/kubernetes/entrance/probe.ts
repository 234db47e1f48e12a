import type { Clock } from "../../../core/clock.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import type { ProbeSettings } from "../../../spec/ingress-settings.ts";
import { findingOf, type ProbedDoor, type Finding, type Reply } from "./verdict.ts";

/** Who takes requests in, in the words of an administrator. */
export interface Doorkeeper {
  readonly name: string;
  /** What is wrong where it lets nobody in, and where it never refuses; what to look at. */
  readonly ifOpen: string;
  readonly ifSilent: string;
  /** Between tries where each has to open the address; null where none has to, and the usual pauses are good enough. */
  readonly againAfterMs: number | null;
}

interface Parts {
  readonly probe: ProbeSettings;
  readonly doorkeeper: Doorkeeper;
  readonly knock: (door: ProbedDoor, entrance: string | null, signal: AbortSignal) => Promise<Reply>;
  readonly clock: Clock;
}

const firstPauseMs = 100;
const longestPauseMs = 2_000;

/**
 * Asks at each door as nobody until that is refused. Throws ENTRANCE_OPEN for one that lets nobody in, and
 * ENTRANCE_SILENT where no refusal of Waybill's comes in time.
 */
export async function probeDoors(parts: Parts, doors: readonly ProbedDoor[], signal: AbortSignal): Promise<void> {
  await Promise.all(doors.map((door) => probeDoor(parts, door, signal)));
}

/** Asks at each door until somebody answers who leads there, or the time is up. */
export async function awaitDoors(parts: Parts, doors: readonly ProbedDoor[], signal: AbortSignal): Promise<void> {
  await Promise.all(doors.map((door) => lookUntilSure(parts, door, signal)));
}

async function probeDoor(parts: Parts, door: ProbedDoor, signal: AbortSignal): Promise<void> {
  const { finding, said } = await lookUntilSure(parts, door, signal);
  if (finding === "open") throw open(parts, door, said);
  if (finding === "elsewhere") throw silent(parts, door, said);
}

interface Look {
  readonly finding: Finding;
  readonly said: string;
}

async function lookUntilSure(parts: Parts, door: ProbedDoor, signal: AbortSignal): Promise<Look> {
  const { probe, clock } = parts;
  const endsAtMs = clock.now().getTime() + probe.timeoutMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
    const look = await lookAt(parts, door, signal);
    if (look.finding !== "elsewhere" || clock.now().getTime() + pauseMs > endsAtMs) return look;
    await clock.sleep(pauseMs, signal);
  }
}

async function lookAt({ probe, knock }: Parts, door: ProbedDoor, signal: AbortSignal): Promise<Look> {
  try {
    const reply = await knock(door, probe.url, signal);
    const to = reply.location === null ? "" : ` and led to ${withoutQuery(reply.location)}`;
    return { finding: findingOf(door, reply), said: `answered ${reply.status}${to}` };
  } catch (error) {
    signal.throwIfAborted();
    return { finding: "elsewhere", said: `did not answer (${messageOf(error)})` };
  }
}

const withoutQuery = (location: string): string => location.split(/[?#]/, 1)[0]?.slice(0, 200) ?? "";

const askedBy = ({ probe: { url }, doorkeeper: { name } }: Parts): string =>
  `asked without an identity${url === null ? "" : ` by ${url}`}, ${name}`;

function open(parts: Parts, { url, path }: ProbedDoor, said: string): WaybillError {
  return new WaybillError(
    "ENTRANCE_OPEN",
    `${url}${path}: ${askedBy(parts)} ${said}, where a refusal by Waybill was wanted. Nothing leads there until the ` +
      `next deploy. ${parts.doorkeeper.ifOpen}`,
  );
}

function silent(parts: Parts, { url, path }: ProbedDoor, said: string): WaybillError {
  const { probe, doorkeeper } = parts;
  const { againAfterMs, ifSilent } = doorkeeper;
  const seconds = Math.round(probe.timeoutMs / 1_000);
  const meanwhile =
    againAfterMs === null
      ? "Nothing leads there until that is so"
      : `Nothing leads there but while it is asked again: after ${againAfterMs / 60_000} minutes, and with each push`;
  return new WaybillError(
    "ENTRANCE_SILENT",
    `${url}${path}: ${askedBy(parts)} ${said}, and did not refuse as Waybill does within ${seconds} s. ` +
      `${meanwhile}. ${ifSilent}`,
    againAfterMs === null ? {} : { retryAfterMs: againAfterMs },
  );
}
