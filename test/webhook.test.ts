import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Webhooks } from "@octokit/webhooks";
import { systemClock } from "../src/core/clock.ts";
import { silentLog } from "../src/core/log.ts";
import { repositoryName, type RepositoryName } from "../src/core/names.ts";
import { Secret } from "../src/core/secret.ts";
import { makeDeliveryStore } from "../src/store/deliveries.ts";
import { testDatabase } from "./support/postgres.ts";
import type { DeliveryStore } from "../src/intake/delivery.ts";
import { makeWebhookIntake, type WebhookIntake } from "../src/intake/webhook.ts";

interface Definition {
  readonly name: string;
  readonly examples: readonly object[];
}
const examples = createRequire(import.meta.url)("@octokit/webhooks-examples") as readonly Definition[];
const pushes = examples.find(({ name }) => name === "push")?.examples ?? [];
const ping = examples.find(({ name }) => name === "ping")?.examples[0] ?? {};

const secret: string = randomUUID();
const demo = repositoryName("demo");

interface World {
  readonly intake: WebhookIntake;
  readonly deliveries: DeliveryStore;
  readonly looks: RepositoryName[];
  /** A new intake on the same store, as after a restart. */
  again(): WebhookIntake;
  [Symbol.asyncDispose](): Promise<void>;
}

async function world(
  look: (name: RepositoryName) => Promise<void> = async () => undefined,
  secrets = [secret],
): Promise<World> {
  const database = await testDatabase();
  const deliveries = makeDeliveryStore(database.db);
  const looks: RepositoryName[] = [];
  const intakes: WebhookIntake[] = [];
  function again(): WebhookIntake {
    const intake = makeWebhookIntake({
      deliveries,
      secretFor: async (name) => (name === demo ? secrets.map((value) => new Secret(value)) : []),
      look: async (name) => {
        looks.push(name);
        await look(name);
      },
      log: silentLog,
      clock: systemClock,
    });
    intakes.push(intake);
    return intake;
  }
  return {
    intake: again(),
    deliveries,
    looks,
    again,
    async [Symbol.asyncDispose]() {
      for (const intake of intakes) await intake.close();
      await database.close();
    },
  };
}

interface Sent {
  readonly body: string | ReadableStream<Uint8Array>;
  readonly headers?: Record<string, string>;
}

async function signed(body: string, headers: Record<string, string> = {}, by = secret): Promise<Request> {
  return request({
    body,
    headers: { "x-hub-signature-256": await new Webhooks({ secret: by }).sign(body), ...headers },
  });
}

function request({ body, headers }: Sent): Request {
  return new Request("http://test.invalid/webhook", {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "x-github-event": "push",
      "x-github-delivery": randomUUID(),
      ...headers,
    },
    duplex: "half",
  });
}

async function settled({ deliveries }: World): Promise<void> {
  while ((await deliveries.pending()).length > 0) await systemClock.sleep(5);
}

test("there are real payloads to test with", () => assert.equal(pushes.length, 7));

for (const [index, payload] of pushes.entries()) {
  test(`GitHub's push payload ${index} is stored, answered and looked at`, async () => {
    await using w = await world();
    const sent = await signed(JSON.stringify(payload));
    assert.deepEqual(await w.intake.receive(sent, "demo"), { status: 202, isRepeated: false });
    await settled(w);
    assert.deepEqual(w.looks, ["demo"]);
  });
}

test("a delivery that is sent again has no second effect", async () => {
  await using w = await world();
  const body = JSON.stringify(pushes[4]);
  const headers = { "x-github-delivery": "8c3ba5a0-1111-11ee-8888-0242ac120002" };
  await w.intake.receive(await signed(body, headers), "demo");
  await settled(w);
  assert.deepEqual(await w.intake.receive(await signed(body, headers), "demo"), { status: 202, isRepeated: true });
  assert.deepEqual(await w.again().receive(await signed(body, headers), "demo"), { status: 202, isRepeated: true });
  await settled(w);
  assert.deepEqual(w.looks, ["demo"]);
});

test("a form with the payload in it is taken, as GitHub offers to send it", async () => {
  await using w = await world();
  const body = new URLSearchParams({ payload: JSON.stringify(pushes[4]) }).toString();
  const sent = await signed(body, { "content-type": "application/x-www-form-urlencoded; charset=utf-8" });
  assert.equal((await w.intake.receive(sent, "demo")).status, 202);
});

test("a ping is answered and leads to nothing", async () => {
  await using w = await world();
  await w.intake.receive(await signed(JSON.stringify(ping), { "x-github-event": "ping" }), "demo");
  await settled(w);
  assert.deepEqual(w.looks, []);
});

test("while a secret is being changed, both are valid", async () => {
  const next = randomUUID();
  await using w = await world(undefined, [next, secret]);
  await w.intake.receive(await signed("{}"), "demo");
  await w.intake.receive(await signed("{}", {}, next), "demo");
});

test("what is not signed by the repository's secret is refused with one answer, and not stored", async () => {
  await using w = await world();
  const body = JSON.stringify(pushes[4]);
  const good = await new Webhooks({ secret }).sign(body);
  const cases: Record<string, Promise<Request> | Request> = {
    "another secret": signed(body, {}, "another"),
    "another body": request({ body: `${body} `, headers: { "x-hub-signature-256": good } }),
    "no signature": request({ body }),
    "SHA-1 only": request({ body, headers: { "x-hub-signature": `sha1=${"a".repeat(40)}` } }),
    "SHA-1 as SHA-256": request({ body, headers: { "x-hub-signature-256": `sha1=${"a".repeat(40)}` } }),
    "an upper-case digest": request({ body, headers: { "x-hub-signature-256": good.toUpperCase() } }),
    "an empty body": request({ body: "", headers: { "x-hub-signature-256": good } }),
  };
  for (const [what, sent] of Object.entries(cases)) {
    await assert.rejects(w.intake.receive(await sent, "demo"), { code: "WEBHOOK_UNSIGNED", httpStatus: 401 }, what);
  }
  for (const name of ["unknown", "../demo", "DEMO", "", "demo\n"]) {
    await assert.rejects(w.intake.receive(await signed(body), name), { code: "WEBHOOK_UNSIGNED" }, name);
  }
  assert.deepEqual(await w.deliveries.pending(), []);
});

test("headers that no forge sends are refused", async () => {
  await using w = await world();
  for (const headers of [
    { "x-github-delivery": "" },
    { "x-github-delivery": "a b" },
    { "x-github-delivery": "x".repeat(101) },
    { "x-github-event": "Push" },
    { "x-github-event": "a'b" },
    { "content-type": "text/plain" },
  ]) {
    await assert.rejects(w.intake.receive(await signed("{}", headers), "demo"), { code: "REQUEST_INVALID" });
  }
});

test("a body beyond the limit is refused unread, when announced, in chunks and when its length lies", async () => {
  await using w = await world();
  const headers = { "x-hub-signature-256": `sha256=${"a".repeat(64)}` };
  let pulled = 0;
  const endless = (): ReadableStream<Uint8Array> =>
    new ReadableStream({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(64 * 1024));
      },
    });
  const announced = request({ body: endless(), headers: { ...headers, "content-length": "5242881" } });
  await assert.rejects(w.intake.receive(announced, "demo"), { code: "BODY_TOO_LARGE", httpStatus: 413 });
  assert.ok(pulled <= 1);
  await assert.rejects(w.intake.receive(request({ body: endless(), headers }), "demo"), { code: "BODY_TOO_LARGE" });
  const lying = request({ body: endless(), headers: { ...headers, "content-length": "10" } });
  await assert.rejects(w.intake.receive(lying, "demo"), { code: "BODY_TOO_LARGE" });
  assert.ok(pulled < 200, `${pulled} pieces were read`);
});

test("a delivery whose look fails is looked at again, and by the next process if need be", async () => {
  let failures = 1;
  await using w = await world(async () => {
    if (failures > 0) throw new Error("the remote is away");
  });
  await w.intake.receive(await signed("{}"), "demo");
  await w.intake.close();
  assert.equal((await w.deliveries.pending()).length, 1);
  failures = 0;
  const next = w.again();
  await next.processPending();
  await settled(w);
  assert.deepEqual(w.looks, ["demo", "demo"]);
});

test("50 deliveries at once are few looks, and the last one begins after the last delivery", async () => {
  let received = 0;
  let seenByLast = 0;
  let atOnce = 0;
  let most = 0;
  await using w = await world(async () => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    seenByLast = received;
    await systemClock.sleep(10);
    atOnce -= 1;
  });
  await Promise.all(
    Array.from({ length: 50 }, async () => {
      await w.intake.receive(await signed("{}"), "demo");
      received += 1;
    }),
  );
  await settled(w);
  assert.ok(seenByLast >= 49, `the last look began after ${seenByLast} deliveries`);
  assert.equal(most, 1);
  assert.ok(w.looks.length < 50);
});

test("what was processed is forgotten after a while, what was not is kept", async () => {
  await using w = await world();
  await w.intake.receive(await signed("{}"), "demo");
  await settled(w);
  const { deliveries } = w;
  await deliveries.add({ repository: demo, id: "kept", event: "push", receivedAt: new Date(0), bodyDigest: "" });
  assert.equal(await deliveries.prune(new Date(Date.now() + 60_000)), 1);
  assert.deepEqual(
    (await deliveries.pending()).map(({ id, receivedAt }) => [id, receivedAt.getTime()]),
    [["kept", 0]],
  );
});
