import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, beforeEach } from "node:test";
import { runCommandLine } from "../../src/cli/program.ts";
import { listen, type Listening } from "../../src/http/listen.ts";
import { makeTestApp, type TestApp } from "./http-app.ts";

interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

interface Setting {
  readonly env?: Record<string, string>;
  readonly input?: string | Buffer;
  readonly cwd?: string;
  readonly isColoured?: boolean;
}

/** The command line on a server with what is there already, new for each test of the file that calls this once. */
export function openCommandLine() {
  let app: TestApp;
  let server: Listening;
  let folder: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "waybill-cli-"));
    server = await listen(
      { fetch: (request: Request) => app.app.fetch(request) },
      { port: 0, hostname: "127.0.0.1", graceMs: 100 },
    );
  });
  beforeEach(() => {
    app = makeTestApp();
  });
  after(async () => {
    app.stop();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const line = {
    get app() {
      return app;
    },
    get port() {
      return server.port;
    },
    get folder() {
      return folder;
    },
    get url() {
      return `http://localhost:${server.port}`;
    },
    waybill: async (
      args: string,
      { env, input = "", cwd = folder, isColoured = false }: Setting = {},
    ): Promise<Said> => {
      const out: string[] = [];
      const err: string[] = [];
      const status = await runCommandLine(args.match(/"[^"]*"|\S+/g)?.map((arg) => arg.replaceAll('"', "")) ?? [], {
        env: env ?? { WAYBILL_URL: line.url, WAYBILL_TOKEN: "anna", XDG_CONFIG_HOME: join(folder, "config") },
        cwd,
        stdin: Readable.from(input === "" ? [] : [input]),
        out: (text) => out.push(text),
        err: (text) => err.push(text),
        isColoured,
        columns: 80,
        signal: AbortSignal.timeout(5000),
      });
      return { status, out: out.join("\n"), err: err.join("\n") };
    },
    json: async <Value>(args: string, setting?: Setting): Promise<Value> => {
      const { status, out, err } = await line.waybill(`${args} --json`, setting);
      assert.equal(status, 0, err);
      return JSON.parse(out) as Value;
    },
  };
  return line;
}
