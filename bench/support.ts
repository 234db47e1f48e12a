import { startServerProcess, freePort, newToken } from "../test/support/server-process.ts";

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Milliseconds. */
export async function timed(task: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await task();
  return performance.now() - startMs;
}

interface Ratio {
  readonly ratio: number;
  readonly wanted: string;
  readonly competitor: string;
}

export const ratioLine = (what: string, { ratio, wanted, competitor }: Ratio): string =>
  `${what}: ${ratio.toFixed(2)}x of ${competitor} (wanted ${wanted})`;

export interface BenchServer {
  readonly port: number;
  readonly token: string;
  close(): Promise<void>;
}

/** `waybill serve` as users start it, in a process of its own. */
export async function startServer(data: string): Promise<BenchServer> {
  const server = await startServerProcess({ data, port: await freePort(), token: newToken() });
  return { port: server.port, token: server.token, close: async () => void (await server.stop()) };
}
