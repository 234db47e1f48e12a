import { announce, startTestPostgres } from "./postgres-server.ts";

// Loaded once by the test runner (--test-global-setup); test files find it by the environment.
let stop: (() => Promise<void>) | undefined;

export async function globalSetup(): Promise<void> {
  const server = await startTestPostgres();
  announce(server);
  stop = () => server.stop();
}

export async function globalTeardown(): Promise<void> {
  await stop?.();
}
