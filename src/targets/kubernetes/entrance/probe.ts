import type { Clock } from "../../../core/clock.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import type { IngressSettings } from "../../../spec/ingress-settings.ts";
import { findingOf, type ClosedDoor, type Finding, type Reply } from "./verdict.ts";

interface Parts {
  readonly settings: Pick<IngressSettings, "controller" | "probe">;
  readonly knock: (door: ClosedDoor, entrance: string | null, signal: AbortSignal) => Promise<Reply>;
  readonly clock: Clock;
}

const firstPauseMs = 100;
const longestPauseMs = 2_000;

/**
 * Asks at each door as nobody until that is refused. Throws ENTRANCE_OPEN for one that lets nobody in, and
 * ENTRANCE_SILENT where no refusal of Waybill's comes in time.
 */
export async function probeDoors(parts: Parts, doors: readonly ClosedDoor[], signal: AbortSignal): Promise<void> {
  await Promise.all(doors.map((door) => probeDoor(parts, door, signal)));
}

async function probeDoor(parts: Parts, door: ClosedDoor, signal: AbortSignal): Promise<void> {
  const { settings, clock } = parts;
  const endsAtMs = clock.now().getTime() + settings.probe.timeoutMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
    const { finding, said } = await lookAt(parts, door, signal);
    if (finding === "refused") return;
    if (finding === "open") throw open(settings, door, said);
    if (clock.now().getTime() + pauseMs > endsAtMs) throw silent(settings, door, said);
    await clock.sleep(pauseMs, signal);
  }
}

async function lookAt(
  { settings, knock }: Parts,
  door: ClosedDoor,
  signal: AbortSignal,
): Promise<{ readonly finding: Finding; readonly said: string }> {
  try {
    const reply = await knock(door, settings.probe.url, signal);
    const to = reply.location === null ? "" : ` and led to ${withoutQuery(reply.location)}`;
    return { finding: findingOf(door, reply), said: `answered ${reply.status}${to}` };
  } catch (error) {
    signal.throwIfAborted();
    return { finding: "elsewhere", said: `did not answer (${messageOf(error)})` };
  }
}

const withoutQuery = (location: string): string => location.split(/[?#]/, 1)[0]?.slice(0, 200) ?? "";

const entranceOf = ({ probe }: Parts["settings"]): string => (probe.url === null ? "" : ` by ${probe.url}`);

function open(settings: Parts["settings"], { url, path }: ClosedDoor, said: string): WaybillError {
  return new WaybillError(
    "ENTRANCE_OPEN",
    `${url}${path}: asked without an identity${entranceOf(settings)}, the cluster's entrance ${said}, where a refusal ` +
      `by Waybill was wanted. Nothing leads there until the next deploy. The entrance does not heed what Waybill says ` +
      `to a controller of the kind ${settings.controller}: an administrator looks at ingress in the server's settings`,
  );
}

function silent(settings: Parts["settings"], { url, path }: ClosedDoor, said: string): WaybillError {
  const seconds = Math.round(settings.probe.timeoutMs / 1_000);
  return new WaybillError(
    "ENTRANCE_SILENT",
    `${url}${path}: asked without an identity${entranceOf(settings)}, the cluster's entrance ${said}, and did not ` +
      `refuse after asking Waybill within ${seconds} s. Nothing leads there until that is so. An administrator looks ` +
      `whether it takes up what Waybill makes (className or parent) and reaches Waybill at serverUrl`,
  );
}
