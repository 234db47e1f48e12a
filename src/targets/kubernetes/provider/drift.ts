import type { Json, Properties } from "../../../engine/provider.ts";
import { isEqual, isMap } from "../../../engine/value/value.ts";

/**
 * The inputs as the cluster has them now: where `live` differs from what applying the inputs again would make of it
 * (`wanted`), the live value stands, and is gone where it is gone. Equal inputs: nothing has drifted. Lists are taken
 * whole, as others may have put elements between ours.
 */
export function driftedInputs(inputs: Properties, live: Properties, wanted: Properties): Properties {
  const entries = Object.entries(inputs).flatMap(([key, value]): readonly (readonly [string, Json])[] => {
    const [now, then] = [live[key], wanted[key]];
    if (isEqual(now, then)) return [[key, value]];
    if (now === undefined) return [];
    return isMap(value) && isMap(now) && isMap(then) ? [[key, driftedInputs(value, now, then)]] : [[key, now]];
  });
  return Object.fromEntries(entries);
}
