import assert from "node:assert/strict";
import { test } from "node:test";
import { makeFeed } from "./feed.ts";

test("a follower sees what is published after the call, even before it reads", async () => {
  const feed = makeFeed<number>();
  const abort = new AbortController();
  feed.publish(0);
  const values = feed.follow(abort.signal);
  feed.publish(1);
  feed.publish(2);
  const seen: number[] = [];
  for await (const value of values) {
    seen.push(value);
    if (value === 2) feed.publish(3);
    if (value === 3) abort.abort();
  }
  assert.deepEqual(seen, [1, 2, 3]);
});

test("a listener that stopped hears nothing", () => {
  const feed = makeFeed<string>();
  const heard: string[] = [];
  const stop = feed.listen((value) => heard.push(value));
  feed.publish("a");
  stop();
  feed.publish("b");
  assert.deepEqual(heard, ["a"]);
});
