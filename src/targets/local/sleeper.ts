import { WaybillError } from "../../core/errors.ts";
import type { SleepPlace, Sleeper } from "../sleep/keeper.ts";
import type { Supervisor } from "./processes/supervisor.ts";

/** A program that sleeps is a process that was ended and keeps its port. */
export function makeLocalSleeper(supervisor: Pick<Supervisor, "fallAsleep" | "wake">): Sleeper {
  return {
    async sleep(place) {
      const asleep = await Promise.all(portsOf(place).map((port) => supervisor.fallAsleep(place.stack, port)));
      return asleep.every(Boolean);
    },
    async wake(place, signal) {
      const ports = portsOf(place);
      if (ports.length === 0) throw new WaybillError("WORKLOAD_FAILED", "its routes lead to no process");
      for (const port of ports) await supervisor.wake(place.stack, port, signal);
    },
  };
}

const portsOf = ({ upstreams }: SleepPlace): readonly number[] => [
  ...new Set(upstreams.flatMap((upstream) => (upstream.kind === "http" ? [upstream.port] : []))),
];
