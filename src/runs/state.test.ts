import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  endedStates,
  isEnded,
  isLive,
  isWaiting,
  liveStates,
  mayStep,
  nextStates,
  runStates,
  waitingStates,
} from "./state.ts";

test("each state waits, lives or has ended", () => {
  assert.deepEqual([...waitingStates, ...liveStates, ...endedStates].sort(), [...runStates].sort());
  for (const state of runStates) {
    assert.equal([isWaiting(state), isLive(state), isEnded(state)].filter(Boolean).length, 1, state);
  }
});

test("what holds no slot starts only by taking one, and what has ended goes on only by a person's retry", () => {
  for (const state of waitingStates) assert.ok(!mayStep(state, "Running"), state);
  for (const state of endedStates) {
    assert.deepEqual(nextStates(state), state === "Completed" ? [] : ["Scheduled"], state);
  }
});

test("no walk of legal steps runs a program without having been pending first", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 40 }), (choices) => {
      let [before, state]: (typeof runStates)[number][] = ["Scheduled", "Scheduled"];
      for (const choice of choices) {
        const next = nextStates(state ?? "Scheduled");
        const chosen = next[choice % Math.max(1, next.length)];
        if (chosen === undefined) return;
        [before, state] = [state, chosen];
        if (state === "Running") assert.equal(before, "Pending");
        if (state === "Completed") assert.equal(before, "Running");
      }
    }),
  );
});
