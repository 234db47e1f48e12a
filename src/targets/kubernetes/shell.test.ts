import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { literal, shellText } from "./shell.ts";

test("a plain command takes the shell's place; others run in a group that a polite stop reaches", async () => {
  assert.equal(shellText(null, "node main.js"), "exec node main.js");
  const text = shellText(
    null,
    "sh -c 'trap \"echo stopped; exit 3\" TERM; echo up; while :; do sleep 0.05; done'; exit $?",
  );
  const child = spawn("/bin/sh", ["-c", text], { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (piece: Buffer) => {
    said += piece.toString();
    if (said === "up\n") child.kill("SIGTERM");
  });
  const [status] = (await once(child, "exit")) as [number | null];
  assert.match(said, /stopped/);
  assert.ok(status === 3 || status === 143, String(status));
});

test("a start script that fails is told from the command", () => {
  const run = (startScript: string, command: string) =>
    spawnSync("/bin/sh", ["-c", shellText(startScript, command)], { encoding: "utf8" });
  assert.equal(run("echo warm", "echo 'it''s up'").stdout, "warm\nits up\n");
  const { status, stdout, stderr } = run('echo "it\'s cold" >&2; exit 7', "echo up");
  assert.deepEqual([status, stdout], [7, ""]);
  assert.match(stderr, /waybill: the start script failed with status 7\n$/);
});

test("what a kubelet would put in for is written twice", () => {
  // As k8s.io/kubernetes/third_party/forked/golang/expansion does it, with PORT defined.
  const expanded = (text: string) => text.replaceAll(/\$(?:(\$)|\((\w+)\))/g, (_, dollar?: string) => dollar ?? "8000");
  assert.equal(expanded("$(PORT) $$"), "8000 $");
  for (const text of ["$(PORT)", "$$", "a$b", "$", "$$(PORT)"]) assert.equal(expanded(literal(text)), text);
});
