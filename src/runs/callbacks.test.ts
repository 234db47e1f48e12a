import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { testDatabase } from "../../test/support/postgres.ts";
import { anna, deployJob, makeFakeExecutor, makeTestRoom } from "../../test/support/runs-world.ts";
import { Secret } from "../core/secret.ts";
import { requireCallbackUrl, signatureOf } from "./callbacks.ts";
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

async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise(setImmediate);
}

const bodyOf = (heard: Heard | undefined): RunView => (JSON.parse(heard?.body ?? "") as { run: RunView }).run;

test("whoever asked for it is told of the end, signed, and again when it was not taken", async () => {
  const stack = await deployJob(database.db, "told", "");
  const executor = makeFakeExecutor();
  const room = makeTestRoom({ db: database.db, executor });
  await room.begin();
  try {
    await withReceiver(
      (count) => (count === 1 ? 503 : 204),
      async ({ url, heard }) => {
        const { id } = await room.runs.start({ stack, parameters: {}, name: "", at: null, callback: url, actor: anna });
        await eventually(() => executor.running().length > 0);
        executor.end(id, 0);
        await eventually(async () => (await room.runs.run(id)).run.callback?.settled === "delivered");
        const [first, second] = heard;
        assert.equal(first?.body, second?.body);
        assert.deepEqual([bodyOf(first).id, bodyOf(first).state], [id, "Completed"]);
        assert.equal(first?.signature, `sha256=${signatureOf(new Secret("value of callback-key"), first?.body ?? "")}`);
      },
    );
  } finally {
    await room.close();
  }
});

test("a run that a person retries tells its next end, too", async () => {
  const stack = await deployJob(database.db, "again", "");
  const executor = makeFakeExecutor();
  const room = makeTestRoom({ db: database.db, executor });
  await room.begin();
  try {
    await withReceiver(
      () => 204,
      async ({ url, heard }) => {
        const { id } = await room.runs.start({ stack, parameters: {}, name: "", at: null, callback: url, actor: anna });
        const isSettled = async () => (await room.runs.run(id)).run.callback?.settled === "delivered";
        await eventually(() => executor.running().length > 0);
        executor.end(id, 1);
        await eventually(isSettled);
        await room.runs.retry(id, anna);
        await eventually(() => executor.running().length > 0);
        assert.equal(await isSettled(), false);
        executor.end(id, 0);
        await eventually(isSettled);
        assert.deepEqual(
          heard.map((each) => bodyOf(each).state),
          ["Failed", "Completed"],
        );
      },
    );
  } finally {
    await room.close();
  }
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
