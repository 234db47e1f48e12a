import assert from "node:assert/strict";
import { test } from "node:test";
import { WaybillError } from "../../core/errors.ts";
import { parseServerSettings } from "../../spec/server-settings.ts";
import { listenFor, replicaOf, targetsFor } from "./replica.ts";

const database = { DATABASE_URL: "postgres://db/waybill" };
const refusal = (message: RegExp) => (error: unknown) =>
  error instanceof WaybillError && error.code === "SETTINGS_INVALID" && message.test(error.message);

function settings(text: string) {
  const { settings: found, problems } = parseServerSettings(text, "server.yaml");
  assert.ok(found, JSON.stringify(problems));
  return found;
}

test("a server is one of several where it has a name and they have a database", () => {
  assert.equal(replicaOf(database), null);
  assert.deepEqual(replicaOf({ ...database, WAYBILL_REPLICA: "waybill-7d9f-x2" }), { name: "waybill-7d9f-x2" });
  assert.throws(() => replicaOf({ ...database, WAYBILL_REPLICA: "../up" }), refusal(/is "\.\.\/up", but must be/));
  assert.throws(() => replicaOf({ WAYBILL_REPLICA: "one" }), refusal(/set DATABASE_URL$/));
});

test("gateways of this machine reach it on loopback, others where it says", () => {
  assert.deepEqual(listenFor({}), { hostname: "127.0.0.1", port: 0, isReachable: false });
  assert.deepEqual(listenFor({ WAYBILL_ADVERTISE: "10.0.0.7:8081" }), {
    hostname: "10.0.0.7",
    port: 8081,
    isReachable: true,
  });
  assert.equal(listenFor({ WAYBILL_ADVERTISE: "[fd00::7]:8081" }).hostname, "fd00::7");
  for (const text of ["10.0.0.7", ":8081", "10.0.0.7:0", "http://10.0.0.7:8081"]) {
    assert.throws(() => listenFor({ WAYBILL_ADVERTISE: text }), refusal(/must be this server's own address/));
  }
});

test("where other machines are to reach what runs, nothing runs on this one", () => {
  const cluster = "targets: {local: {kind: local}, big: {kind: kubernetes}}\ndefaultTarget: big\n";
  const spread = { WAYBILL_ADVERTISE: "10.0.0.7:8081" };
  assert.deepEqual(targetsFor(settings(cluster), {}), ["local", "big"]);
  assert.deepEqual(targetsFor(settings(cluster), spread), ["big"]);
  const here = settings(cluster.replace("defaultTarget: big", "defaultTarget: local"));
  assert.throws(() => targetsFor(here, spread), refusal(/^defaultTarget is "local"/));
});
