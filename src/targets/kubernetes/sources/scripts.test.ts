import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Runtime } from "../runtimes.ts";
import { fetchCommand, handOverCommand, uploadCommand } from "./scripts.ts";

test("the scripts of the containers are programs", () => {
  for (const { node, python } of [fetchCommand, uploadCommand]) {
    execFileSync(process.execPath, ["--check", "-"], { input: node[2] ?? "" });
    execFileSync("python3", ["-c", "import sys; compile(sys.stdin.read(), 'script', 'exec')"], {
      input: python[2] ?? "",
    });
  }
});

interface HandedOver {
  /** How often it was tried. */
  readonly asked: number;
  readonly status: number;
}

/** Hands a folder over to a server that gives these answers, one after the other; 0 is that it hangs up. */
async function handOver(runtime: Runtime, answers: readonly number[]): Promise<HandedOver> {
  await using opened = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "waybill-hand-over-"));
  opened.defer(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "made.txt"), "built");
  let asked = 0;
  const server = createServer((request, response) => {
    const status = answers[asked++] ?? 500;
    request.resume();
    if (status === 0) request.socket.destroy();
    else request.once("end", () => response.writeHead(status).end("why"));
  }).listen(0, "127.0.0.1");
  opened.defer(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const env = { UPLOAD_URL: `http://127.0.0.1:${port}/x`, SOURCE_HOST: "x", SOURCE_FOLDER: folder };
  const [program = "", ...args] = handOverCommand(runtime);
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: "ignore" });
  const [status] = (await once(child, "close")) as [number];
  return { asked, status };
}

for (const runtime of ["node", "python"] as const) {
  test(`a server that restarts meanwhile gets it by the script for ${runtime}`, async () => {
    assert.deepEqual(await handOver(runtime, [0, 503, 204]), { asked: 3, status: 0 });
  });

  test(`what it refuses is not tried again by the script for ${runtime}`, async () => {
    assert.deepEqual(await handOver(runtime, [404, 204]), { asked: 1, status: 1 });
  });
}
