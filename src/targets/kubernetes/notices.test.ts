import assert from "node:assert/strict";
import { test } from "node:test";
import { treeSha } from "../../core/names.ts";
import { workloadOf } from "../../../test/support/workloads.ts";
import { notices, refusals } from "./notices.ts";

const settings = { runtimes: { node: "node:24" }, gpus: [], sourceUrl: "http://server" };
const source = treeSha("a".repeat(40));

test("Waybill's own Secrets are nobody's to name; others with a key are", () => {
  const given = workloadOf(
    "kind: service\ncommand: node main.js\nsecrets:\n" +
      "  - {name: shop-db, key: password, env: DB}\n  - {name: waybill-pull, key: .dockerconfigjson, env: PULL}\n" +
      "  - {name: api-0a1b2c3d-secrets, key: db, file: /etc/db}\n",
    { source },
  );
  assert.deepEqual(refusals(given, settings), [
    "secret waybill-pull: with a key it is Waybill's own: name another",
    "secret api-0a1b2c3d-secrets: with a key it is Waybill's own: name another",
  ]);
});

test("each component's trouble is told with its name, and what components do not do", () => {
  const given = workloadOf(
    "kind: service\ncommand: node main.js\ncomponents:\n" +
      "  web: {replicas: {min: 0}}\n  old: {source: {git: {ref: v1}}}\n",
    { sources: { web: source, old: null } },
  );
  assert.deepEqual(notices(given, settings), [
    "component old: source.git is not fetched yet: use source.path, or source.image",
    "components do not sleep: web runs one replica at least",
  ]);
});

test("a job is refused for what a worker would be, and it is said when nothing of its runs is kept", () => {
  const given = workloadOf(
    "kind: job\ncommand: node main.js\nsecrets: [{name: run-mwqtyg2z1yn6ro4-1, key: db, env: DB}]\n",
    { source },
  );
  assert.deepEqual(notices(given, settings), [
    "secret run-mwqtyg2z1yn6ro4-1: with a key it is Waybill's own: name another",
  ]);
  const unkept =
    "results and files of runs are not kept: an administrator sets sourceUrl, and runtimes.node or runtimes.python, of the target in the server's settings";
  const own = workloadOf(`kind: job\nsource: {image: "a@sha256:${"0".repeat(64)}"}\n`);
  assert.deepEqual(notices(own, { runtimes: {}, gpus: [] }), [unkept]);
  assert.deepEqual(notices(own, settings), []);
});
