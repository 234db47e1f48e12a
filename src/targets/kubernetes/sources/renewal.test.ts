import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../core/log.ts";
import type { Cluster, Selection } from "../cluster/cluster.ts";
import { errorOf } from "../cluster/cluster-error.ts";
import type { KubeObject } from "../cluster/object.ts";
import { labels } from "../names.ts";
import { sourceKey } from "../place.ts";
import { renewAddresses } from "./renewal.ts";
import { addressLifeMs, makeSourceUrls } from "./signature.ts";

const nowMs = Date.UTC(2026, 0, 1);
const clock = { now: () => new Date(nowMs), sleep: () => Promise.resolve() };
const urls = makeSourceUrls({ masterKey: Buffer.alloc(32, 1), clock });
const key = "a".repeat(40);
const sourceUrl = "http://10.0.0.1:8080";

const space = (name: string): KubeObject => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
const secret = (name: string, url: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: {
    name,
    namespace: "shop--production",
    labels: { [labels.repository]: "shop" },
    annotations: { [sourceKey]: key },
  },
  data: { url: Buffer.from(url).toString("base64") },
});
const urlUntil = (leftMs: number): string =>
  sourceUrl + urls.sign({ method: "GET", repository: "shop", key }, new Date(nowMs + leftMs));

const other = makeSourceUrls({ masterKey: Buffer.alloc(32, 2), clock });
const foreign = sourceUrl + other.sign({ method: "GET", repository: "shop", key }, new Date(nowMs));

test("an address in its second half is written anew, and others are left alone", async () => {
  const applied: KubeObject[] = [];
  const secrets = [
    secret("young", urlUntil(addressLifeMs)),
    secret("old", urlUntil(addressLifeMs / 2 - 1_000)),
    secret("broken", "nonsense"),
    secret("moved", urlUntil(addressLifeMs).replace("10.0.0.1", "10.0.0.9")),
    secret("foreign", foreign),
  ];
  const cluster = {
    async list({ kind, namespace }: Selection) {
      if (kind === "Namespace") return { resourceVersion: "1", items: ["theirs", "shop--production"].map(space) };
      if (namespace === "theirs") throw errorOf(403, "", "list Secret");
      return { resourceVersion: "1", items: secrets };
    },
    apply: async (object: KubeObject) => {
      applied.push(object);
      return object;
    },
  } as unknown as Cluster;
  const renewal = { cluster, server: "5e44e4", urls, sourceUrl, clock, log: silentLog };
  assert.equal(await renewAddresses(renewal, new AbortController().signal), 2);
  assert.deepEqual(
    applied.map(({ metadata }) => metadata.name),
    ["old", "moved"],
  );
  const [written] = applied as unknown as readonly (KubeObject & { data: { url: string } })[];
  const url = new URL(Buffer.from(written?.data.url ?? "", "base64").toString());
  assert.equal(url.origin, sourceUrl);
  assert.equal(Number(url.searchParams.get("expires")) * 1_000, nowMs + addressLifeMs);
  urls.verify({ method: "GET", repository: "shop", key }, url.searchParams);
  // Nothing but the address: labels and annotations are the program's.
  assert.deepEqual(written?.metadata, { name: "old", namespace: "shop--production" });
});
