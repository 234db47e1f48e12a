import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { makePushAnswer } from "./answer.ts";

const packet = (content: string): string => (content.length + 4).toString(16).padStart(4, "0") + content;
const report = `${packet("unpack ok\n")}${packet("ok refs/heads/main\n")}${packet("ng refs/heads/x hook declined\n")}0000`;

async function answered(pieces: readonly string[], follow: (line: (text: string) => void) => void) {
  const output = new PassThrough();
  const answer = makePushAnswer(output, Buffer.from(pieces[0] ?? ""));
  for (const piece of pieces.slice(1)) output.write(piece);
  output.end();
  const stored = await answer.stored;
  follow(answer.line);
  answer.end();
  return { stored, text: await new Response(answer.body).text() };
}

test("lines go to the pusher between what Git says and its report, wherever its packets are cut", async () => {
  const first = packet("\u0002checked\n");
  const last = `${packet(`\u0001${report.slice(0, 20)}`)}${packet(`\u0001${report.slice(20)}`)}0000`;
  const whole = first + last;
  for (let cut = 0; cut <= whole.length; cut += 7) {
    const { stored, text } = await answered([whole.slice(0, cut), whole.slice(cut)], (line) => line("live\u001b[0m"));
    assert.deepEqual(stored && [...stored], ["refs/heads/main"]);
    assert.equal(text, `${first}${packet("\u0002live[0m\n")}${last}`);
  }
});

test("a long line comes in packets that every client takes", async () => {
  const whole = `${packet(`\u0001${report}`)}0000`;
  const { text } = await answered([whole], (line) => line("x".repeat(2_500)));
  const sizes = text
    .slice(0, -whole.length)
    .split("\u0002")
    .slice(0, -1)
    .map((piece) => piece.slice(-4));
  assert.deepEqual(sizes, ["03e3", "03e3", "020e"]);
});

test("a client without side-band gets what Git says, and no more", async () => {
  const { stored, text } = await answered([report.slice(0, 3), report.slice(3)], (line) => line("lost"));
  assert.equal(stored, null);
  assert.equal(text, report);
});

test("an answer that ends early is passed on as it is", async () => {
  const whole = packet("\u0002checked\n") + packet("\u0002more").slice(0, 7);
  const { stored, text } = await answered(["", whole], (line) => line("lost"));
  assert.equal(stored, null);
  assert.equal(text, whole);
});
