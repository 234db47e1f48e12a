import { stackKey } from "../../core/stack.ts";
import type { Problem } from "../../spec/problem.ts";
import { hostsOf, type Definition } from "./definition.ts";
import type { EnvironmentRef } from "../release.ts";
import type { ReleaseStore } from "../store.ts";

/** Host names that another repository or environment of this server holds already: a name is unique per server. */
export async function hostProblems(
  store: Pick<ReleaseStore, "holders">,
  environment: EnvironmentRef,
  definitions: ReadonlyMap<string, Definition>,
): Promise<readonly Problem[]> {
  const wanted = [...definitions.values()].flatMap((definition) =>
    hostsOf(definition.spec).map((host) => ({ host, definition })),
  );
  const holders = await store.holders(
    wanted.map(({ host }) => host),
    environment,
  );
  return wanted.flatMap(({ host, definition }): Problem[] => {
    const holder = holders.get(host);
    if (!holder) return [];
    const message = `the host name ${JSON.stringify(host)} belongs to ${stackKey(holder)}: choose another with subdomain:`;
    return [{ ...definition.position, column: 1, code: "HOST_TAKEN", message }];
  });
}
