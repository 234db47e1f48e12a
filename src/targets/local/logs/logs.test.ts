import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../../core/clock.ts";
import { keptRotations, lastLines, note, noteTime, rotate, rotated } from "./log-file.ts";
import { LogCursor, merged, tail } from "./log-reader.ts";

function withLog(body: (path: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), "waybill-logs-"));
    try {
      await body(join(folder, "output.log"));
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
}

test(
  "lines carry the time of the look that saw them, own lines their own",
  withLog((path) => {
    writeFileSync(path, "one\ntwo\n");
    const size = noteTime(path, new Date("2026-01-01T00:00:01Z"), 0);
    appendFileSync(path, "three\n");
    assert.equal(noteTime(path, new Date("2026-01-01T00:00:02Z"), size), 14);
    note(path, new Date("2026-01-01T00:00:03Z"), "start 2");
    assert.deepEqual(tail(path, 10), [
      { at: "2026-01-01T00:00:01.000Z", stream: "stdout", text: "one" },
      { at: "2026-01-01T00:00:01.000Z", stream: "stdout", text: "two" },
      { at: "2026-01-01T00:00:02.000Z", stream: "stdout", text: "three" },
      { at: "2026-01-01T00:00:03.000Z", stream: "waybill", text: "start 2" },
    ]);
    assert.deepEqual(
      tail(path, 2).map(({ text }) => text),
      ["three", "start 2"],
    );
    assert.deepEqual(tail(path, 0), []);
  }),
);

test(
  "an own line begins a line even after output that does not end one",
  withLog((path) => {
    writeFileSync(path, "no newline");
    note(path, new Date(0), "stopped\nfor good");
    assert.deepEqual(
      tail(path, 9).map(({ stream, text }) => `${stream} ${text}`),
      ["stdout no newline", "waybill stopped", "waybill for good"],
    );
    assert.deepEqual(lastLines(path, { from: 0, count: 5 }), ["no newline"]);
  }),
);

test(
  "a program goes on writing through a rotation, and three are kept",
  withLog(async (path) => {
    const output = openSync(path, "a");
    const program = spawn(
      "sh",
      ["-c", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i; [ $((i % 100)) -ne 0 ] || sleep 0.01; done"],
      {
        stdio: ["ignore", output, output],
      },
    );
    closeSync(output);
    const ended = once(program, "exit");
    const cursor = new LogCursor(path, { from: 0, clock: systemClock });
    const seen: string[] = [];
    let rotations = 0;
    while (program.exitCode === null) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      seen.push(...cursor.read().map(({ text }) => text));
      if (rotations < 3 && statSync(path).size > 500) rotations += rotate(path) === undefined ? 1 : 0;
    }
    await ended;
    seen.push(...cursor.read().map(({ text }) => text));
    const kept = tail(path, 5000).map(({ text }) => text);
    assert.equal(rotations, 3);
    for (const lines of [seen, kept]) {
      const numbers = lines.map((line) => Number(line.split(" ")[1]));
      assert.deepEqual([numbers[0], numbers.at(-1)], [1, 3000]);
      assert.ok(
        numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0)),
        "in order",
      );
      // What is written between the last read and the truncation is lost: on a busy machine that may be a burst.
      assert.ok(numbers.length >= 2_400, `${numbers.length} of 3000 lines`);
    }
  }),
);

test(
  "the oldest rotation is dropped",
  withLog((path) => {
    for (let round = 1; round <= keptRotations + 2; round += 1) {
      writeFileSync(path, `round ${round}\n`);
      rotate(path);
    }
    assert.equal(readFileSync(rotated(path, 1), "utf8"), "round 5\n");
    assert.equal(readFileSync(rotated(path, keptRotations), "utf8"), "round 3\n");
    assert.deepEqual(
      tail(path, 9).map(({ text }) => text),
      ["round 3", "round 4", "round 5"],
    );
  }),
);

test(
  "output is no later than the own line after it",
  withLog((path) => {
    writeFileSync(path, "last words\n");
    note(path, new Date("2026-01-01T00:00:01Z"), "stopped");
    noteTime(path, new Date("2026-01-01T00:00:05Z"), 0);
    assert.deepEqual(
      tail(path, 9).map(({ at, text }) => `${at} ${text}`),
      ["2026-01-01T00:00:01.000Z last words", "2026-01-01T00:00:01.000Z stopped"],
    );
  }),
);

test("several logs are one by time, each in its own order", () => {
  const line = (at: string, text: string) => ({ at, stream: "stdout" as const, text });
  const old = [line("1", "old 1"), line("4", "old 4"), line("3", "old, by a clock that was set"), line("7", "old 7")];
  const young = [line("2", "new 2"), line("5", "new 5")];
  assert.deepEqual(
    merged([old, young]).map(({ text }) => text),
    ["old 1", "new 2", "old 4", "old, by a clock that was set", "new 5", "old 7"],
  );
});
