import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hostAddress } from "./cluster.ts";

/** What programs in a cluster have told this machine, by the path that they asked for. */
export interface RunWitness extends AsyncDisposable {
  /** Where pods reach it. */
  readonly url: string;
  /** Every path as often as it was asked for, in order. */
  readonly told: readonly string[];
}

export async function startRunWitness(): Promise<RunWitness> {
  const told: string[] = [];
  const server = createServer((request, response) => {
    told.push((request.url ?? "").slice(1));
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${hostAddress}:${port}`,
    told,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
