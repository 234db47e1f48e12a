import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { follow, openEndpoint, remoteLines } from "../../test/support/git-endpoint.ts";
import { repositoryName } from "../core/names.ts";
import type { PushGate } from "./push-gate.ts";

test("a gate that fails refuses the push and tells nothing of its defect", async () => {
  const gate: PushGate = { check: () => Promise.reject(new Error("secret detail")), follow };
  await using w = await openEndpoint(gate);
  await w.clone.commit("x");
  const { exitCode, stderr } = await w.clone.tryGit("push", w.url("demo"), "main");
  assert.equal(exitCode, 1);
  assert.deepEqual(remoteLines(stderr), ["waybill: a defect in the server; its log says more. Nothing was changed."]);
});

test("a pusher who hangs up stops neither the push nor what follows it", async () => {
  const followed = Promise.withResolvers<string>();
  const checking = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const gate: PushGate = {
    async check() {
      checking.resolve();
      await goOn.promise;
      return { accept: true, lines: ["x".repeat(100_000)] };
    },
    async *follow({ updates }) {
      for (let n = 0; n < 1000; n += 1) yield "y".repeat(1000);
      followed.resolve(updates[0]?.ref ?? "");
    },
  };
  await using w = await openEndpoint(gate);
  const sha = await w.clone.commit("x");
  const push = w.clone.tryGit("push", w.url("demo"), "main");
  await checking.promise;
  // Every connection of the pusher goes away at once.
  w.server.hangUp();
  goOn.resolve();
  assert.notEqual((await push).exitCode, 0);
  assert.equal(await followed.promise, "refs/heads/main");
  assert.equal((await (await w.git.open(repositoryName("demo"))).refs()).branches.get("main"), sha);
});

test("a client that sends half a push and goes leaves nothing behind", async () => {
  await using w = await openEndpoint({
    check: () => Promise.reject(new Error("must not be asked")),
    follow,
  });
  const { hostname, port } = new URL(w.server.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    "POST /git/demo.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000000\r\n\r\n0094",
  );
  await delay(200);
  socket.destroy();
  const startedAt = performance.now();
  while (w.endpoint.running() > 0) await delay(20);
  assert.ok(performance.now() - startedAt < 2_000);
  assert.deepEqual([...(await (await w.git.open(repositoryName("demo"))).refs()).branches], []);
});

test("when the server stops during a push, the pusher is told, and the refs are as they were", async () => {
  const checking = Promise.withResolvers<void>();
  const gate: PushGate = {
    check: () => {
      checking.resolve();
      return new Promise(() => undefined);
    },
    follow,
  };
  await using w = await openEndpoint(gate);
  await w.clone.commit("x");
  const push = w.clone.tryGit("push", w.url("demo"), "main");
  await checking.promise;
  await w.endpoint.close();
  const { exitCode, stderr } = await push;
  assert.notEqual(exitCode, 0);
  assert.deepEqual(remoteLines(stderr), [
    "waybill: the server stopped while it worked on this push. Nothing was changed. Push again.",
  ]);
  assert.deepEqual([...(await (await w.git.open(repositoryName("demo"))).refs()).branches], []);
});

test("a push whose http-backend is killed happens wholly or not at all", async () => {
  const followed: string[] = [];
  const gate: PushGate = {
    async check() {
      const children = execFileSync("ps", ["-o", "pid=,comm=", "--ppid", String(process.pid)], { encoding: "utf8" });
      const [pid] = /\d+(?= git-http)/.exec(children) ?? [];
      process.kill(Number(pid), "SIGKILL");
      return { accept: true, lines: [] };
    },
    async *follow({ updates }) {
      followed.push(...updates.map(({ after }) => after ?? ""));
      yield "live";
    },
  };
  await using w = await openEndpoint(gate);
  const sha = await w.clone.commit("x");
  const { exitCode } = await w.clone.tryGit("push", w.url("demo"), "main");
  while (w.endpoint.running() > 0) await delay(20);
  const { branches } = await (await w.git.open(repositoryName("demo"))).refs();
  assert.equal(branches.has("main"), exitCode === 0);
  assert.deepEqual(followed, branches.has("main") ? [sha] : []);
  assert.equal((await w.clone.tryGit("ls-remote", w.url("demo"))).exitCode, 0);
});
