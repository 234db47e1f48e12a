import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { messageOf } from "../../../core/errors.ts";
import { listFiles, readResult, runFolder } from "../../local/runs/run-folder.ts";
import { uploadCommand } from "../sources/scripts.ts";
import { makeHandOvers, type HandOvers } from "./hand-over.ts";

const start = { run: "r1", attempt: 1 };

interface World extends AsyncDisposable {
  readonly folder: string;
  readonly handOvers: HandOvers;
  /** Hands a folder over by the script of a runtime; answers its exit status and what it said. */
  upload(runtime: "node" | "python", from: string): Promise<{ status: number | null; said: string }>;
}

async function makeWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "waybill-left-"));
  const handOvers = makeHandOvers(folder);
  const server = createServer((request, response) => {
    handOvers.receive(start, Readable.toWeb(request) as ReadableStream<Uint8Array>).then(
      () => response.writeHead(204).end(),
      (error: unknown) => request.once("end", () => response.writeHead(404).end(messageOf(error))).resume(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    folder,
    handOvers,
    async upload(runtime, from) {
      const [program = "", ...args] = uploadCommand[runtime];
      const env = {
        PATH: process.env["PATH"],
        UPLOAD_URL: `http://127.0.0.1:${port}/x`,
        SOURCE_HOST: "x",
        SOURCE_FOLDER: from,
      };
      const child = spawn(program, args, { env, stdio: ["ignore", "ignore", "pipe"] });
      let said = "";
      child.stderr.on("data", (piece: Buffer) => (said += piece.toString()));
      const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
      return { status, said };
    },
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function leave(folder: string): string {
  const left = join(folder, "waybill");
  for (const path of ["result", "output/deep/er"]) mkdirSync(join(left, path), { recursive: true });
  writeFileSync(join(left, "result/value.json"), '{"loss": 0.5}');
  writeFileSync(join(left, "result/peak"), "12345678\n");
  const long = "n".repeat(180);
  writeFileSync(join(left, `output/deep/er/${long}.txt`), "x".repeat(1_000));
  writeFileSync(join(left, "output/ünïcode"), "");
  symlinkSync("/etc/passwd", join(left, "output/link"));
  return left;
}

for (const runtime of ["node", "python"] as const) {
  test(`what a run leaves comes by the script for ${runtime}, whole, and without its links`, async () => {
    await using world = await makeWorld();
    const place = runFolder(world.folder, start.run);
    mkdirSync(place.path);
    const left = leave(world.folder);
    const heard: string[] = [];
    world.handOvers.onReceived((key) => heard.push(key));
    assert.deepEqual(await world.upload(runtime, left), { status: 0, said: "" });
    assert.deepEqual([heard, world.handOvers.has(start)], [["run-r1-1"], true]);
    // Its answer was lost: it comes again.
    assert.equal((await world.upload(runtime, left)).status, 0);
    assert.deepEqual(await world.handOvers.take(start), { peakMemoryBytes: 12_345_678, fault: null });
    assert.deepEqual(await world.handOvers.take(start), { peakMemoryBytes: 12_345_678, fault: null });
    assert.deepEqual(readResult(place.result), { value: { loss: 0.5 }, fault: null });
    assert.deepEqual(
      listFiles(place.output).map(({ path, bytes }) => [path.replace(/n+/, "n"), bytes]),
      [
        ["deep/er/n.txt", 1_000],
        ["ünïcode", 0],
      ],
    );
  });

  test(`what nobody waits for is refused once and for all by the script for ${runtime}`, async () => {
    await using world = await makeWorld();
    const { status, said } = await world.upload(runtime, leave(world.folder));
    assert.equal(status, 2);
    assert.match(said, /it cannot be handed over: 404 nobody waits for/);
  });
}

function tarOf(entries: readonly { readonly path: string; readonly type?: string; readonly text?: string }[]): Buffer {
  const blocks = entries.flatMap(({ path, type = "0", text = "" }) => {
    const header = Buffer.alloc(512);
    header.write(path, 0, 100);
    header.write(text.length.toString(8).padStart(11, "0"), 124);
    header.write(type, 156);
    header.write("ustar\0", 257);
    const body = Buffer.alloc(Math.ceil(text.length / 512) * 512);
    body.write(text);
    return [header, body];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1_024)]));
}

const receive = (world: World, bytes: Buffer): Promise<void> =>
  world.handOvers.receive(start, new Blob([new Uint8Array(bytes)]).stream());

test("nothing that an archive holds gets out of the run's folder", async () => {
  await using world = await makeWorld();
  const place = runFolder(world.folder, start.run);
  mkdirSync(place.path);
  const outside = ["../out", "output/../../out", "/tmp/waybill-out", "result/other", "output", ""].map((path) => ({
    path,
    text: "x",
  }));
  const entries = [
    ...outside,
    { path: "output/dir", type: "2" },
    { path: "output/pipe", type: "6" },
    { path: "./output/a/../b", text: "kept" },
  ];
  await receive(world, tarOf(entries));
  await world.handOvers.take(start);
  assert.deepEqual(listFiles(place.output), [{ path: "b", bytes: 4 }]);
  assert.ok(!existsSync(join(world.folder, "out")) && !existsSync("/tmp/waybill-out"));
});

test("more files than are kept are said to be, and a broken archive leaves nothing", async () => {
  await using world = await makeWorld();
  const place = runFolder(world.folder, start.run);
  mkdirSync(place.path);
  const whole = tarOf([{ path: "output/a", text: "x".repeat(2_000) }]);
  await assert.rejects(receive(world, whole.subarray(0, whole.length - 20)));
  await assert.rejects(receive(world, Buffer.from("no archive")));
  assert.equal(await world.handOvers.take(start), null);
  const many = Array.from({ length: 1_002 }, (_, index) => ({ path: `output/${index}`, text: "x" }));
  await receive(world, tarOf([...many, { path: "result/value.json", text: "1" }]));
  assert.deepEqual(await world.handOvers.take(start), {
    peakMemoryBytes: null,
    fault: "only 1000 of its files are kept",
  });
  assert.equal(listFiles(place.output).length, 1_000);
  writeFileSync(place.exit(1), "{}");
  chmodSync(place.exit(1), 0o600);
  await assert.rejects(receive(world, whole), /nobody waits for/);
  assert.equal(readFileSync(place.exit(1), "utf8"), "{}");
});
