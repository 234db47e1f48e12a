import { startTestPostgres } from "./postgres-server.ts";

// Loaded once by the test runner (--test-global-setup); test files find the server by the environment variable.
let stop: (() => Promise<void>) | undefined;

export async function globalSetup(): Promise<void> {
  const server = await startTestPostgres();
  process.env["WAYBILL_TEST_POSTGRES_URL"] = server.url;
  stop = () => server.stop();
}

export async function globalTeardown(): Promise<void> {
  await stop?.();
}
