import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { silentLog } from "../../../core/log.ts";
import { lastLines } from "../../local/logs/log-file.ts";
import { tail } from "../../local/logs/log-reader.ts";
import { copyLog } from "./run-log.ts";

const clock = { now: () => new Date(), sleep: () => Promise.resolve() };

interface Line {
  readonly at: string;
  readonly text: string;
}

/** A container's log as the kubelet serves it: from a whole second on, as far as it has come, and broken off when told. */
function makeKubelet(lines: readonly Line[]) {
  const asked: (string | null)[] = [];
  const served = { upTo: lines.length, breaks: [] as number[] };
  const stream = (path: string): Promise<IncomingMessage> => {
    const since = new URL(path, "http://x").searchParams.get("sinceTime");
    asked.push(since);
    const from = lines.slice(0, served.upTo).filter(({ at }) => since === null || at >= since.slice(0, 19));
    const cut = served.breaks.shift();
    const texts = from.slice(0, cut).map(({ at, text }) => `${at} ${text}\n`);
    return Promise.resolve(Readable.from(texts) as IncomingMessage);
  };
  return { cluster: { stream }, asked, served };
}

const lineAt = (index: number, text = `line ${index}`): Line => ({
  // Forty in a second.
  at: `2026-01-01T00:00:${String(Math.floor(index / 40)).padStart(2, "0")}.${String((index % 40) * 25_000_000).padStart(9, "0")}Z`,
  text,
});

function makePlace() {
  const folder = mkdtempSync(join(tmpdir(), "waybill-log-"));
  return {
    path: join(folder, "output.log"),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const copyOf = (path: string, cluster: ReturnType<typeof makeKubelet>["cluster"], hasEnded: () => boolean) => ({
  cluster,
  pod: { metadata: { name: "run-r-1-abc", namespace: "shop" } },
  container: "job",
  path,
  hasEnded,
  clock,
  log: silentLog,
  signal: AbortSignal.timeout(10_000),
});

test("whatever breaks off, each line is told once, in its order and with its time", async () => {
  using place = makePlace();
  const lines = [
    ...Array.from({ length: 200 }, (_, index) => lineAt(index)),
    // Two of one time, the second of which says the same; and one that came late.
    lineAt(200, "twice"),
    lineAt(200, "twice"),
    lineAt(199, "late"),
    lineAt(201, "\u001Ewaybill is no mark of ours here"),
  ];
  const { cluster, asked, served } = makeKubelet(lines);
  // A server that is killed, and one after it whose streams break.
  served.upTo = 90;
  let looks = 0;
  const killed = new AbortController();
  await copyLog({
    ...copyOf(place.path, cluster, () => {
      if ((looks += 1) > 2) killed.abort();
      return false;
    }),
    signal: killed.signal,
  });
  served.upTo = lines.length;
  served.breaks = [60, 0, 120];
  await copyLog(copyOf(place.path, cluster, () => asked.length > 4));
  const kept = tail(place.path, 1_000);
  assert.deepEqual(
    kept.map(({ text }) => text),
    lines.map(({ text }) => text),
  );
  assert.equal(kept[41]?.at, lineAt(41).at);
  assert.ok(asked.slice(1).every((since) => since !== null));
  assert.deepEqual(lastLines(place.path, { from: 0, count: 2 }), ["late", "\u001Ewaybill is no mark of ours here"]);
});
