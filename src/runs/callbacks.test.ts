import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { testDatabase } from "../../test/support/postgres.ts";
import { anna, deployJob, makeFakeExecutor, makeTestRoom } from "../../test/support/runs-world.ts";
import { Secret } from "../core/secret.ts";
import { signatureOf } from "./callbacks.ts";
import type { RunView } from "./view.ts";

let database: Awaited<ReturnType<typeof testDatabase>>;
before(async () => {
  database = await testDatabase();
});
after(() => database.close());

test("whoever asked for it is told of the end, signed, and again when it was not taken", async () => {
  const heard: { readonly body: string; readonly signature: string | undefined }[] = [];
  const told = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      heard.push({ body, signature: request.headers["waybill-signature"]?.toString() });
      response.writeHead(heard.length === 1 ? 503 : 204).end();
      if (heard.length === 2) told.resolve();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stack = await deployJob(database.db, "told", "");
  const executor = makeFakeExecutor();
  const room = makeTestRoom({ db: database.db, executor });
  await room.begin();
  try {
    const callback = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    const { id } = await room.runs.start({ stack, parameters: {}, name: "", at: null, callback, actor: anna });
    while (executor.running().length === 0) await new Promise(setImmediate);
    executor.end(id, 0);
    await told.promise;
    const [first, second] = heard;
    assert.equal(first?.body, second?.body);
    const { run } = JSON.parse(first?.body ?? "") as { run: RunView };
    assert.deepEqual([run.id, run.state], [id, "Completed"]);
    assert.equal(first?.signature, `sha256=${signatureOf(new Secret("value of callback-key"), first?.body ?? "")}`);
    for (;;) {
      const { run: after } = await room.runs.run(id);
      if (after.callback?.settled === "delivered") break;
      await new Promise(setImmediate);
    }
  } finally {
    await room.close();
    server.close();
  }
});
