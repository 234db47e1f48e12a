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

interface HostQuestion {
  readonly environment: EnvironmentRef;
  readonly definitions: Iterable<Definition>;
  /** Found to be free a moment ago. */
  readonly free?: ReadonlySet<string>;
}

/** By deployment: the host names that another repository or environment of this server holds already. */
export async function takenHosts(
  store: Pick<ReleaseStore, "holders">,
  { environment, definitions, free = new Set() }: HostQuestion,
): Promise<ReadonlyMap<string, readonly TakenHost[]>> {
  const wanted = [...definitions].flatMap(({ name, spec }) => {
    const hosts = hostsOf(spec).filter((host) => !free.has(host));
    return hosts.length > 0 ? [{ name, hosts }] : [];
  });
  if (wanted.length === 0) return new Map();
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

/**
 * A name is unique per server (design, decision 11). What is the same in `before` has its names already, or waits for
 * them, and is not asked about again.
 */
export async function hostProblems(
  store: Pick<ReleaseStore, "holders">,
  environment: EnvironmentRef,
  definitions: ReadonlyMap<string, Definition>,
  before: ReadonlyMap<string, Definition> = new Map(),
): Promise<readonly Problem[]> {
  const news = newsOf(definitions, before);
  const taken = await takenHosts(store, { environment, definitions: news });
  return news.flatMap(({ name, position }) =>
    (taken.get(name) ?? []).map((host): Problem => ({
      ...position,
      column: 1,
      code: "HOST_TAKEN",
      message: takenMessage(host),
    })),
  );
}

const newsOf = (
  definitions: ReadonlyMap<string, Definition>,
  before: ReadonlyMap<string, Definition>,
): readonly Definition[] => [...definitions.values()].filter(({ name, digest }) => before.get(name)?.digest !== digest);

/** The host names that `hostProblems` has asked about. */
export const askedHosts = (
  definitions: ReadonlyMap<string, Definition>,
  before: ReadonlyMap<string, Definition>,
): ReadonlySet<string> => new Set(newsOf(definitions, before).flatMap(({ spec }) => hostsOf(spec)));
