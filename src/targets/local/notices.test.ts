import assert from "node:assert/strict";
import { test } from "node:test";
import { workloadOf } from "../../../test/support/workloads.ts";
import { treeSha } from "../../core/names.ts";
import { notices, refusals } from "./notices.ts";

const source = treeSha("a".repeat(40));

test("an ordinary service, worker or site needs no word", () => {
  for (const kind of ["kind: service\ncommand: x\n", "kind: worker\ncommand: x\n", "kind: site\n"]) {
    const workload = workloadOf(kind, { source });
    assert.deepEqual([notices(workload), refusals(workload)], [[], []]);
  }
});

test("what the local target does otherwise is said", () => {
  const workload = workloadOf(
    `kind: service
command: x
size: gpu-small
replicas: {min: 2, max: 4}
secrets: [{name: tls-ca, file: /etc/ca.pem}]
routes: [{subdomain: web-admin, port: 9000}]
`,
    { source },
  );
  assert.deepEqual(notices(workload), [
    "size gpu-small: this machine's GPUs are not reserved by the local target",
    "replicas: the local target runs one process, not 2 to 4",
    "secret tls-ca: on this machine /etc/ca.pem is found at $WAYBILL_SECRET_FILE_TLS_CA",
    "port 9000: on this machine the program must listen on $PORT_9000 instead",
  ]);
  assert.deepEqual(notices(workloadOf("kind: job\ncommand: x\n", { source })), []);
});

test("what the local target cannot run is refused", () => {
  const refused = [
    [`kind: service\nsource: {image: "busybox@sha256:${"b".repeat(64)}"}\n`, /needs a container runtime/],
    ["kind: service\ncommand: x\ncomponents: {a: {}, b: {}}\nmain: a\n", /components are not run/],
  ] as const;
  for (const [yaml, message] of refused) {
    const workload = workloadOf(yaml, { source });
    assert.match(refusals(workload).join(), message);
    assert.deepEqual(notices(workload).slice(0, 1), refusals(workload));
  }
});
