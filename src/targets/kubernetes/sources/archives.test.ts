import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { WaybillError } from "../../../core/errors.ts";
import { treeSha } from "../../../core/names.ts";
import { temporaryFolder } from "../../../../test/support/repository.ts";
import type { ArchiveSource } from "../../workload.ts";
import { makeArchives } from "./archives.ts";
import { makeSourceEndpoint } from "./endpoint.ts";
import { makeSourceUrls } from "./signature.ts";

const tree = treeSha("a".repeat(40));
const built = "b".repeat(48);
const signal = new AbortController().signal;

async function makeHarness() {
  const folder = await temporaryFolder();
  let nowMs = Date.UTC(2026, 0, 1);
  const clock = { now: () => new Date(nowMs), sleep: () => Promise.resolve() };
  const asked: string[] = [];
  const source: ArchiveSource = {
    async archive({ repository, tree: wanted, files = [] }, write) {
      asked.push(`${repository} ${wanted.slice(0, 4)} ${files.length}`);
      if (repository === "broken") throw new WaybillError("TREE_UNSAFE", "a link leads out");
      await write(Buffer.from("the archive"));
    },
  };
  const archives = makeArchives({ folder: folder.path, source, clock });
  const urls = makeSourceUrls({ masterKey: Buffer.alloc(32, 1), clock });
  const endpoint = makeSourceEndpoint({ archives, urls, receive: () => assert.fail("no run brings anything here") });
  const request = (method: "GET" | "PUT", key: string, body?: string): Promise<Response> => {
    const path = urls.sign({ method, repository: "shop", key }, new Date(nowMs + 60_000));
    const sent = new Request(`http://x${path}`, { method, ...(body !== undefined && { body }) });
    return endpoint.handle(sent, "shop", `${key}.tar.gz`);
  };
  return {
    archives,
    asked,
    endpoint,
    request,
    left: () => readdirSync(folder.path).toSorted(),
    pass: (ms: number) => (nowMs += ms),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

test("a tree's archive is made once, for whoever holds a signed address", async () => {
  await using harness = await makeHarness();
  const [one, two] = await Promise.all([harness.request("GET", tree), harness.request("GET", tree)]);
  for (const answer of [one, two]) {
    assert.equal(answer.headers.get("content-length"), String((await answer.clone().arrayBuffer()).byteLength));
    assert.equal(gunzipSync(Buffer.from(await answer.arrayBuffer())).toString(), "the archive");
  }
  assert.deepEqual(harness.asked, ["shop aaaa 0"]);
  const bare = new Request(`http://x/source/shop/${tree}.tar.gz`);
  await assert.rejects(harness.endpoint.handle(bare, "shop", `${tree}.tar.gz`), { code: "FORBIDDEN" });
});

test("what a build hands over is kept and read; before that it is not there", async () => {
  await using harness = await makeHarness();
  await assert.rejects(harness.request("GET", built), { code: "NOT_FOUND" });
  assert.equal((await harness.request("PUT", built, "made")).status, 204);
  assert.equal(await (await harness.request("GET", built)).text(), "made");
  await harness.archives.use(built, "web-1");
  harness.pass(10_000_000_000);
  await harness.archives.sweep(1_000);
  assert.deepEqual(harness.left(), [`${built}.tar.gz`, `${built}.users`]);
  await harness.archives.unuse(built, "web-1");
  harness.pass(2_000);
  await harness.archives.sweep(1_000);
  assert.deepEqual(harness.left(), []);
});

test("an archive that cannot be made leaves nothing", async () => {
  await using harness = await makeHarness();
  await assert.rejects(harness.archives.ensure(tree, { repository: "broken", tree, signal }), { code: "TREE_UNSAFE" });
  assert.deepEqual(harness.left(), []);
});
