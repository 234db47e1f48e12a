import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { WaybillError } from "../../../core/errors.ts";

// Below the ports that systems hand out for outgoing connections (Linux 32768, macOS 49152), so that a crashed
// program finds its port free when it starts again.
const firstPort = 20_000;
const portCount = 12_000;
const maxTries = 200;

export interface PortBinding {
  /** As the file names it. */
  readonly wanted: number;
  readonly actual: number;
}

/** A free port of this machine for each that the file names. */
export async function bindPorts(
  wanted: readonly number[],
  taken: ReadonlySet<number>,
): Promise<readonly PortBinding[]> {
  const bindings: PortBinding[] = [];
  for (const port of wanted) {
    const actual = await freePort(new Set([...taken, ...bindings.map((binding) => binding.actual)]));
    bindings.push({ wanted: port, actual });
  }
  return bindings;
}

/** A TCP port on which nothing listens, not in `taken`. */
async function freePort(taken: ReadonlySet<number>): Promise<number> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const port = firstPort + randomInt(portCount);
    if (!taken.has(port) && (await isFree(port))) return port;
  }
  throw new WaybillError(
    "PORT_UNAVAILABLE",
    `no free port found between ${firstPort} and ${firstPort + portCount - 1} after ${maxTries} tries`,
  );
}

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    // Every address at once: a program that listens on one of them would be in the way.
    server.listen({ port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
