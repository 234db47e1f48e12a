import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { testDatabase } from "../../test/support/postgres.ts";
import { anna, deployJob, makeFakeExecutor, makeTestRoom, type FakeExecutor } from "../../test/support/runs-world.ts";
import { until } from "../../test/support/until.ts";
import { Secret } from "../core/secret.ts";
import { requireCallbackUrl, signatureOf } from "./callbacks.ts";
import type { RunsRoom } from "./room.ts";
import type { RunView } from "./view.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
before(async () => {
  database = await testDatabase();
});
after(() => database.close());

interface Heard {
  readonly body: string;
  readonly signature: string | undefined;
}

async function withReceiver(
  statusOf: (count: number) => number,
  use: (receiver: { readonly url: string; readonly heard: readonly Heard[] }) => Promise<void>,
): Promise<void> {
  const heard: Heard[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      heard.push({ body, signature: request.headers["waybill-signature"]?.toString() });
      response.writeHead(statusOf(heard.length)).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, heard });
  } finally {
    server.close();
  }
}

interface World {
  readonly room: RunsRoom;
  readonly executor: FakeExecutor;
  readonly heard: readonly Heard[];
  /** A run whose end the receiver is told; answers its id. */
  readonly start: () => Promise<string>;
  readonly isSettled: (id: string) => Promise<boolean>;
  readonly isRunning: () => boolean;
}

/** A job whose runs' ends are told to a receiver, which answers with `statusOf` how often it was asked. */
async function withReceivedJob(
  name: string,
  statusOf: (count: number) => number,
  act: (world: World) => Promise<void>,
): Promise<void> {
  const stack = await deployJob(database.db, name, "");
  const executor = makeFakeExecutor();
  const room = makeTestRoom({ db: database.db, executor });
  await room.begin();
  try {
    await withReceiver(statusOf, ({ url, heard }) =>
      act({
        room,
        executor,
        heard,
        async start() {
          const asked = { stack, parameters: {}, name: "", at: null, callback: url, actor: anna };
          return (await room.runs.start(asked)).id;
        },
        isSettled: async (id) => (await room.runs.run(id)).run.callback?.settled === "delivered",
        isRunning: () => executor.running().length > 0,
      }),
    );
  } finally {
    await room.close();
  }
}

const bodyOf = (heard: Heard | undefined): RunView => (JSON.parse(heard?.body ?? "") as { run: RunView }).run;

test("whoever asked for it is told of the end, signed, and again when it was not taken", async () => {
  const once = (count: number): number => (count === 1 ? 503 : 204);
  await withReceivedJob("told", once, async ({ executor, heard, start, isRunning, isSettled }) => {
    const id = await start();
    await until("it runs", isRunning);
    executor.end(id, 0);
    await until("the end is told", () => isSettled(id));
    const [first, second] = heard;
    assert.equal(first?.body, second?.body);
    assert.deepEqual([bodyOf(first).id, bodyOf(first).state], [id, "Completed"]);
    assert.equal(first?.signature, `sha256=${signatureOf(new Secret("value of callback-key"), first?.body ?? "")}`);
  });
});

test("a run that a person retries tells its next end, too", async () => {
  await withReceivedJob(
    "again",
    () => 204,
    async ({ room, executor, heard, start, isRunning, isSettled }) => {
      const id = await start();
      await until("it runs", isRunning);
      executor.end(id, 1);
      await until("the failure is told", () => isSettled(id));
      await room.runs.retry(id, anna);
      await until("it runs again", isRunning);
      assert.equal(await isSettled(id), false);
      executor.end(id, 0);
      await until("the end is told", () => isSettled(id));
      assert.deepEqual(
        heard.map((each) => bodyOf(each).state),
        ["Failed", "Completed"],
      );
    },
  );
});

test("an address that nothing can be sent to is refused, and no password is repeated", () => {
  for (const url of ["http://user:pw@host/hook", "https://user@host", "ftp://host/a", "nothing"]) {
    assert.throws(
      () => requireCallbackUrl(url),
      (error: Error) => error.message.includes("without user and password") && !error.message.includes("pw@"),
    );
  }
  assert.doesNotThrow(() => requireCallbackUrl("http://host:8080/hook?key=1"));
});
