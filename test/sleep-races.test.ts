import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "./support/gateway.ts";
import { startSleepWorld } from "./support/sleep-world.ts";

const longMs = 20_000;

const upgradeHead = (port: number): string =>
  `GET / HTTP/1.1\r\nHost: ranker.localhost:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;

test(
  "requests that come at the moment of falling asleep are all answered, 200 rounds",
  { timeout: 300_000 },
  async () => {
    const idleMs = 40;
    await using world = await startSleepWorld(idleMs / 1_000);
    const pids = new Set<string>();
    for (let round = 0; round < 200; round += 1) {
      // Around the moment: the idle time, what writing use down takes, and what asking the gateway takes.
      await sleep(idleMs + Math.random() * 60);
      const method = round % 2 === 0 ? "GET" : "POST";
      const { status, body } = await world.gateway.ask({ method, ...(method === "POST" && { body: "1234" }) });
      assert.equal(status, 200, `round ${round}: ${body}`);
      assert.equal(body.split(" ")[1], method === "POST" ? "4" : "0", `round ${round}`);
      pids.add(body);
    }
    assert.ok(pids.size > 20, `it slept ${pids.size} times`);
    const starts = (await world.lines()).filter((line) => line === "listening").length;
    assert.ok(starts >= pids.size / 2, `${starts} starts`);
  },
);

test("a parked request's body stays unread, a client that leaves leaves nothing, a WebSocket waits as well", async () => {
  await using world = await startSleepWorld(0.2);
  await until(async () => (await world.stage()) === "asleep", "asleep", longMs);
  await world.endKeeper();
  const sockets = ["GET / HTTP/1.1", "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5"].map((head) => {
    const socket = connect(world.gateway.port, "127.0.0.1");
    socket.write(`${head}\r\nHost: ranker.localhost:${world.gateway.port}\r\n\r\n`);
    return socket;
  });
  let said = "";
  sockets[1]?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const upgrading = connect(world.gateway.port, "127.0.0.1");
  upgrading.write(upgradeHead(world.gateway.port));
  await until(async () => (await world.parked()) === 3, "three wait");
  assert.equal(said, "", "not asked for its body");
  for (const socket of [...sockets, upgrading]) socket.destroy();
  await until(async () => (await world.parked()) === 0, "nobody waits");
});

test("a start that fails is told to whoever waits, and tried again later", async () => {
  const folder = mkdtempSync(join(tmpdir(), "waybill-breaks-"));
  const breaks = join(folder, "breaks");
  try {
    await using world = await startSleepWorld(0.2, { breaks });
    await until(async () => (await world.stage()) === "asleep", "asleep", longMs);
    writeFileSync(breaks, "");
    const [first, second] = await Promise.all([world.gateway.ask({}), world.gateway.ask({})]);
    for (const { status, headers, body } of [first, second]) {
      assert.equal(status, 503);
      assert.match(body, /asleep and could not be started: crashed at once with status 3\. Its logs say more/);
      assert.match(headers["retry-after"] ?? "", /^[12]$/);
    }
    const status = world.target.status({ repository: "shop", environment: "production", deployment: "ranker" });
    assert.equal(status?.state, "degraded");
    assert.match(
      status.reason,
      /^it did not wake: crashed at once with status 3\nlast line:\n {2}broken\nthe next request/,
    );
    rmSync(breaks);
    await until(async () => (await world.gateway.ask({})).status === 200, "it wakes", longMs);
    assert.equal((await world.lines()).filter((line) => line === "listening").length, 2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("what is under way keeps it awake: a long answer, an open WebSocket", async () => {
  await using world = await startSleepWorld(0.3);
  const starts = async (): Promise<number> => (await world.lines()).filter((line) => line === "listening").length;
  const staysAwake = async (forMs: number): Promise<void> => {
    const before = await starts();
    await sleep(forMs);
    // It may be about to fall asleep, until the gateway says that something is under way.
    assert.notEqual(await world.stage(), "asleep");
    assert.equal(await starts(), before);
  };
  const slow = world.gateway.ask({ headers: { "x-delay": "1500" } });
  await sleep(300);
  await staysAwake(900);
  assert.equal((await slow).status, 200);
  const talk = async (pauseMs: number): Promise<void> => {
    const socket = connect(world.gateway.port, "127.0.0.1");
    socket.write(upgradeHead(world.gateway.port));
    const [head] = (await once(socket, "data")) as [Buffer];
    assert.match(head.toString(), /^HTTP\/1\.1 101 /);
    await staysAwake(pauseMs);
    socket.write("still here");
    assert.equal(String((await once(socket, "data"))[0]), "still here");
    socket.destroy();
  };
  await talk(1_500);
  await until(async () => (await world.stage()) === "asleep", "asleep", longMs);
  await talk(0);
});
