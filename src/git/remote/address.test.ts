import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../core/secret.ts";
import { isolation } from "../environment.ts";
import { remote } from "./address.ts";

test("addresses of common forms are taken", () => {
  assert.equal(remote("https://example.org/a/b.git", null).url, "https://example.org/a/b.git");
  assert.equal(remote("http://127.0.0.1:3000/a/b", null).url, "http://127.0.0.1:3000/a/b");
  assert.equal(remote("ssh://git@example.org:2222/a/b.git", null).url, "ssh://git@example.org:2222/a/b.git");
  assert.equal(remote("git@example.org:a/b.git", null).url, "ssh://git@example.org/a/b.git");
  assert.equal(remote("file:///srv/a.git", null, { allowFileUrls: true }).url, "file:///srv/a.git");
});

for (const url of [
  "",
  "a",
  "/etc",
  "../a",
  "-oProxyCommand=x",
  "ext::sh -c id",
  "fd::17",
  "file:///etc",
  "git://example.org/a",
  "ftp://example.org/a",
  "javascript:alert(1)",
  "ssh://-oProxyCommand=id/a",
  "ssh://example.org/-x",
  "https://example.org/a?x=1",
  "https://example.org/a#x",
  "https://token@example.org/a",
  "https://user:hunter2@example.org/a",
  "ssh://git:hunter2@example.org/a",
  "git@-oProxyCommand=x:a",
  "--upload-pack=touch /tmp/x",
]) {
  test(`the address ${JSON.stringify(url)} is refused`, () => {
    assert.throws(
      () => remote(url, null),
      (error: Error & { code?: string }) => error.code === "REMOTE_URL_INVALID" && !error.message.includes("hunter2"),
    );
  });
}

test("credentials travel in a header for that host only, and never in the address", () => {
  const { url, settings } = remote("https://example.org/a/b.git", new Secret("t0ken"));
  const header = `Authorization: Basic ${Buffer.from("x-access-token:t0ken").toString("base64")}`;
  assert.equal(url, "https://example.org/a/b.git");
  assert.deepEqual(settings, [["http.https://example.org/.extraHeader", header]]);
  const [[, pair] = []] = remote("https://example.org/a", new Secret("ann:pass")).settings;
  assert.equal(pair, `Authorization: Basic ${Buffer.from("ann:pass").toString("base64")}`);
  assert.deepEqual(remote("ssh://git@example.org/a", new Secret("x")).settings, []);
});

test("a Git process learns nothing of this machine's Git", () => {
  process.env["GIT_DIR"] = "/nowhere";
  process.env["GIT_SSH_COMMAND"] = "evil";
  try {
    const environment = isolation([["a.b", "c"]]);
    assert.equal(environment["GIT_DIR"], undefined);
    assert.equal(environment["GIT_SSH_COMMAND"], "ssh -o BatchMode=yes");
    assert.equal(environment["GIT_CONFIG_GLOBAL"], "/dev/null");
    assert.equal(environment["GIT_TERMINAL_PROMPT"], "0");
    const last = Number(environment["GIT_CONFIG_COUNT"]) - 1;
    assert.equal(environment[`GIT_CONFIG_KEY_${last}`], "a.b");
    assert.equal(environment[`GIT_CONFIG_VALUE_${last}`], "c");
  } finally {
    delete process.env["GIT_DIR"];
    delete process.env["GIT_SSH_COMMAND"];
  }
});
