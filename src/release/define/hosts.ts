import { stackKey, type StackName } from "../../core/stack.ts";
import type { Problem } from "../../spec/problem.ts";
import { hostsOf, type Definition } from "./definition.ts";
import type { EnvironmentRef } from "../release.ts";
import type { ReleaseStore } from "../store.ts";

/** A host name that a deployment asks for, and who has it. */
export interface TakenHost {
  readonly host: string;
  readonly holder: StackName;
}

/** By deployment: the host names that another repository or environment of this server holds already. */
export async function takenHosts(
  store: Pick<ReleaseStore, "holders">,
  environment: EnvironmentRef,
  definitions: Iterable<Definition>,
): Promise<ReadonlyMap<string, readonly TakenHost[]>> {
  const wanted = [...definitions].map(({ name, spec }) => ({ name, hosts: hostsOf(spec) }));
  const holders = await store.holders(
    wanted.flatMap(({ hosts }) => hosts),
    environment,
  );
  const taken = wanted.map(
    ({ name, hosts }) => [name, hosts.flatMap((host) => takenBy(host, holders.get(host)))] as const,
  );
  return new Map(taken.filter(([, hosts]) => hosts.length > 0));
}

const takenBy = (host: string, holder: StackName | undefined): readonly TakenHost[] =>
  holder ? [{ host, holder }] : [];

export const takenMessage = ({ host, holder }: TakenHost): string =>
  `the host name ${JSON.stringify(host)} belongs to ${stackKey(holder)}: choose another with subdomain:`;

/** A name is unique per server (design, decision 11). */
export async function hostProblems(
  store: Pick<ReleaseStore, "holders">,
  environment: EnvironmentRef,
  definitions: ReadonlyMap<string, Definition>,
): Promise<readonly Problem[]> {
  const taken = await takenHosts(store, environment, definitions.values());
  return [...definitions.values()].flatMap(({ name, position }) =>
    (taken.get(name) ?? []).map((host): Problem => ({
      ...position,
      column: 1,
      code: "HOST_TAKEN",
      message: takenMessage(host),
    })),
  );
}
