import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBytes, parseCpu, parseDuration, parseIsoDuration } from "./quantities.ts";

test("durations", () => {
  const seconds = { "30s": 30, "15m": 900, "1h30m": 5400, "2d": 172_800, "500ms": 0.5, "0s": 0 };
  for (const [text, expected] of Object.entries(seconds)) assert.equal(parseDuration(text), expected, text);
  for (const text of ["", "30", "s", "1.5h", "-1s", "30 s", "1w", "1h ", "9".repeat(50) + "s"]) {
    assert.equal(parseDuration(text), undefined, text);
  }
});

test("ISO 8601 durations of a fixed length", () => {
  const seconds = { PT15M: 900, P1D: 86_400, P1W: 604_800, P1DT12H: 129_600, PT1H30M15S: 5415 };
  for (const [text, expected] of Object.entries(seconds)) assert.equal(parseIsoDuration(text), expected, text);
  for (const text of ["P", "PT", "P1M", "P1Y", "15M", "PT-1H", "PT1.5H", "pt1h", "P1DT"]) {
    assert.equal(parseIsoDuration(text), undefined, text);
  }
});

test("amounts of memory", () => {
  const bytes = { "1": 1, "512Mi": 2 ** 29, "4Gi": 2 ** 32, "1.5G": 1.5e9, "2k": 2000, "1Ti": 2 ** 40 };
  for (const [text, expected] of Object.entries(bytes)) assert.equal(parseBytes(text), expected, text);
  assert.equal(parseBytes(1024), 1024);
  for (const text of ["", "0", "4GB", "4 Gi", "-1", "1e9", "Gi", "99999999999Ti"])
    assert.equal(parseBytes(text), undefined, text);
});

test("cores", () => {
  for (const [text, expected] of Object.entries({ "2": 2, "0.5": 0.5, "500m": 0.5, "1m": 0.001 })) {
    assert.equal(parseCpu(text), expected, text);
  }
  for (const text of ["0", "0m", "2 cores", "-1", "1e3", ""]) assert.equal(parseCpu(text), undefined, text);
});
