import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { service, site, startWithClone, until, webProgram, type Clone, type Served } from "./support/served.ts";

// The served product against whoever means it harm: what is pushed, how refs are called, who pushes, who asks.

let served: Served;
let evil: Clone;

before(async () => {
  ({ served, clone: evil } = await startWithClone("evil"));
});
after(() => served.close());

async function refused(words: RegExp, pushing: ReturnType<Clone["push"]>): Promise<void> {
  const { exitCode, stderr } = await pushing;
  assert.notEqual(exitCode, 0, stderr);
  assert.match(stderr, words);
}

test("symbolic links: none is read as a file, none leads out of what is served", async () => {
  await evil.link("deployments/passwd.yaml", "/etc/passwd");
  await refused(/deployments\/passwd.yaml:1:1 FILE_NOT_REGULAR/, evil.push({}));
  await evil.git("rm", "--quiet", "deployments/passwd.yaml");
  await evil.link("deployments", "/etc");
  await refused(/deployments:1:1 FILE_NOT_REGULAR/, evil.push({}));
  await evil.git("rm", "--quiet", "deployments");
  await evil.link("page/secret", "/etc/passwd");
  const { stderr } = await evil.push({ "deployments/evil.yaml": site("page"), "page/index.html": "x" });
  assert.match(stderr, /failed: secret is a symbolic link to "\/etc\/passwd", which leads out of the source folder/);
  await evil.git("rm", "--quiet", "page/secret");
  await evil.link("page/inside.html", "index.html");
  assert.equal((await evil.push({})).exitCode, 0);
  for (const path of [
    "/../../../etc/passwd",
    "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
    "/..%2f..%2fetc/passwd",
  ]) {
    assert.doesNotMatch((await served.get("evil", path)).body, /root:/, path);
  }
});

test("paths that leave the repository are problems with a place", async () => {
  const file = `apiVersion: waybill/v1
kind: service
command: x
source: {path: ../..}
workingDir: ../../etc
files: {../../escaped: {content: x}}
`;
  await refused(
    /4:16 PATH_OUTSIDE[^]*5:13 PATH_OUTSIDE[^]*6:9 PATH_OUTSIDE/,
    evil.push({ "deployments/out.yaml": file }),
  );
  await evil.git("reset", "--quiet", "--hard", "HEAD~1");
});

test("submodules, hooks, attributes and filters of a repository do nothing", async () => {
  const trap = (name: string): string => `touch ${join(served.folder, name)}`;
  await evil.write({
    "page/index.html": "$Id$ line\n",
    ".gitattributes": "* filter=evil ident eol=crlf export-subst\n",
    ".gitmodules": `[submodule "x"]\n path = page/sub\n url = "ext::sh -c ${trap("sprung")}"\n`,
    "hooks/pre-receive": `#!/bin/sh\n${trap("sprung")}\n`,
    "hooks/post-receive": `#!/bin/sh\n${trap("sprung")}\n`,
  });
  await evil.git("add", "--all");
  await evil.git("update-index", "--add", "--cacheinfo", `160000,${"a".repeat(40)},page/sub`);
  await evil.git("commit", "--quiet", "--message", "traps");
  assert.equal((await evil.tryGit("push", "origin", "main")).exitCode, 0);
  assert.equal((await served.get("evil")).body, "$Id$ line\n");
  assert.ok(!existsSync(join(served.folder, "sprung")));
});

test("refs: names that are no snapshots, hidden ones, and ones that look like options", async () => {
  const push = (ref: string) => evil.tryGit("push", "origin", `HEAD:${ref}`);
  await refused(/is no snapshot tag/, push("refs/tags/waybill/prod--x/1"));
  await refused(/deny updating a hidden ref/, push("refs/waybill/mine"));
  assert.equal((await push("refs/heads/-x")).exitCode, 0);
  // Git itself would not send these names: written to the wire by hand, they are refused all the same.
  for (const ref of [
    "refs/tags/waybill/../x",
    "../../escaped",
    "refs/heads/a b",
    "refs/heads/x.lock",
    "refs/heads/$(touch x)",
  ]) {
    const answer = await receivePack(ref);
    assert.match(answer, /ng |fatal|funny refname|protocol error|ERR|refusing/i, `${ref}: ${answer}`);
    assert.doesNotMatch(answer, new RegExp(`ok ${ref.replaceAll(/[^\w/]/g, ".")}`));
  }
  assert.equal((await served.get("evil")).status, 200);
});

/** Asks receive-pack to create a ref at a commit that it has, in Git's own words (gitprotocol-pack(5)). */
async function receivePack(ref: string): Promise<string> {
  const commit = await evil.git("rev-parse", "origin/main");
  const line = `${"0".repeat(40)} ${commit} ${ref}\0report-status\n`;
  const packet = `${(line.length + 4).toString(16).padStart(4, "0")}${line}0000`;
  // An empty pack: PACK, version 2, no objects, and its SHA-1.
  const pack = Buffer.from("5041434b0000000200000000029d08823bd8a8eab510ad6ac75c823cfd3ed31e", "hex");
  const response = await fetch(`${served.url}/git/evil.git/git-receive-pack`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${served.token}`,
      "content-type": "application/x-git-receive-pack-request",
    },
    body: Buffer.concat([Buffer.from(packet), pack]),
  });
  return `${response.status} ${await response.text()}`;
}

test("escape sequences of a repository reach no terminal, and a commit's message is no tag's", async () => {
  const escape = "\u001b[31m\u001b]0;title\u0007";
  await refused(
    /TEXT_CONTROL_CHARACTER U\+001B/,
    evil.push({ "deployments/evil.yaml": site("page", `tag${escape}: x\n`) }),
  );
  await evil.git("reset", "--quiet", "--hard", "HEAD~1");
  await evil.write({ "page/index.html": "plain" });
  await evil.commit(`red ${escape}\n\nWaybill-Hold: yes\nWaybill-Only: evil`);
  const { stderr } = await evil.tryGit("push", "origin", "main");
  const { out } = await served.cli(["history", "--repository", "evil"]);
  for (const text of [stderr, out]) assert.ok(!text.includes("\u001b") && !text.includes("\u0007"), text);
  const { body } = await served.api("GET", "/environments?repository=evil");
  assert.equal((body as { environments: { hold: unknown }[] }).environments[0]?.hold, null);
  assert.equal((await served.get("evil")).body, "plain");
});

test("a large push is taken, a large deployment file is refused, and memory is not the limit", async () => {
  const large = Buffer.alloc(40 * 1024 * 1024);
  for (let at = 0; at < large.length; at += 4) large.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);
  await evil.write({ "large.bin": large });
  assert.equal((await evil.push({})).exitCode, 0);
  await refused(
    /huge.yaml:1:1 FILE_TOO_LARGE .*is 8388608 bytes/,
    evil.push({ "deployments/huge.yaml": "x".repeat(8 * 1024 * 1024) }),
  );
  await evil.git("reset", "--quiet", "--hard", "HEAD~1");
});

test("who may not push does not: no token, garbage, a viewer", async () => {
  const viewer = (await served.api("POST", "/tokens", { name: "viewer", role: "viewer" })).body as { token: string };
  for (const [token, words] of [
    ["garbage", /could not read Username|Authentication failed/],
    [viewer.token, /FORBIDDEN viewer has the role viewer; this needs the role member/],
  ] as const) {
    const clone = await served.clone("evil", { token, folder: `as-${token.slice(0, 12)}` });
    await refused(words, clone.push({ "README.md": "mine" }));
    assert.notEqual((await clone.tryGit("ls-remote", "origin")).exitCode, 0, "what is pushed is no viewer's either");
    const made = await served.clone("made", { token, folder: `made-as-${token.slice(0, 12)}` });
    await refused(words, made.push({ "README.md": "mine" }));
  }
  for (const args of [
    ["rollback", "production"],
    ["hold", "production"],
    ["release", "production"],
    ["history"],
    ["logs", "evil"],
    ["pause", "evil"],
    ["secret", "set", "mine"],
    ["secret", "list"],
    ["rebuild"],
    ["token", "create", "better", "--role", "admin"],
  ]) {
    const where = ["rebuild", "token"].includes(args[0] ?? "") ? [] : ["--repository", "evil"];
    const { status, err } = await served.cli([...args, ...where], { token: viewer.token, input: "value" });
    assert.equal(status, 1, args.join(" "));
    assert.match(err, /FORBIDDEN/, args.join(" "));
  }
  const { body } = await served.api("GET", "/repositories");
  assert.deepEqual(
    (body as { repositories: { name: string }[] }).repositories.map(({ name }) => name),
    ["evil"],
  );
});

test("only Git's smart protocol is served, only of repositories with proper names", async () => {
  const ask = async (path: string): Promise<number> =>
    (await fetch(`${served.url}${path}`, { headers: { authorization: `Bearer ${served.token}` } })).status;
  for (const path of ["HEAD", "config", "objects/info/packs", "info/refs", "info/refs?service=git-upload-archive"]) {
    assert.ok([403, 404].includes(await ask(`/git/evil.git/${path}`)), path);
  }
  for (const name of ["Evil", "a--b", "-x", "..", "%2e%2e", ".git", "evil.git%2f..", "x".repeat(41)]) {
    assert.equal(await ask(`/git/${name}.git/info/refs?service=git-receive-pack`), 404, name);
  }
});

test("a workload's visitor signs in through the gateway and is named to it; forged names are not", async () => {
  const app = await served.clone("app");
  const guarded = service("web").replace("visibility: public", "visibility: signed-in");
  assert.equal((await app.push({ "deployments/app.yaml": guarded, "web/main.js": webProgram("inside") })).exitCode, 0);
  const page = await served.get("app", "/headers?x=1", { accept: "text/html" });
  assert.ok([302, 303].includes(page.status), `${page.status}`);
  const signIn = new URL(page.headers.location ?? "");
  assert.equal(signIn.origin, served.url);

  const invited = (await served.json(["invite", "grace", "--role", "member"])) as Record<string, string>;
  const link = new URL(Object.values(invited).find((value) => value.startsWith("http")) ?? "");
  const form = await fetch(link, { redirect: "manual" });
  assert.equal(form.status, 200, "a link that is only looked at signs nobody in");
  const redeemed = await fetch(link.origin + link.pathname, {
    method: "POST",
    redirect: "manual",
    headers: { "content-type": "application/x-www-form-urlencoded", origin: served.url },
    body: new URLSearchParams({ token: link.searchParams.get("token") ?? "" }),
  });
  assert.ok([302, 303].includes(redeemed.status), `${redeemed.status} ${await redeemed.text()}`);
  const own = cookiesOf(redeemed.headers.getSetCookie());
  const landed = await fetch(signIn, { redirect: "manual", headers: { cookie: own } });
  assert.ok([302, 303].includes(landed.status), `${landed.status}`);
  const callback = new URL(landed.headers.get("location") ?? "");
  assert.equal(callback.host, `app.localhost:${served.port}`);
  const gate = cookiesOf(page.headers["set-cookie"] ?? []);
  const back = await served.get("app", callback.pathname + callback.search, { cookie: gate });
  assert.ok([302, 303].includes(back.status), `${back.status} ${back.body}`);
  assert.match(back.headers.location ?? "", /\/headers\?x=1$/);
  const session = cookiesOf(back.headers["set-cookie"] ?? []);
  const forged = {
    "x-waybill-user": "root",
    x_waybill_user: "root",
    "X-Waybill-Role": "admin",
    "x-forwarded-user": "root",
  };
  const seen = JSON.parse((await served.get("app", "/headers", { ...forged, cookie: session })).body) as Record<
    string,
    string
  >;
  assert.deepEqual([seen["x-waybill-user"], seen["x-waybill-role"]], ["grace", "member"]);
  assert.ok(!JSON.stringify(seen).includes("root"), JSON.stringify(seen));
  assert.ok(seen["x-request-id"]);
  assert.ok(!(seen["cookie"] ?? "").includes(session.split("=")[1] ?? "?"), "the session is not the program's to see");
  assert.equal((await served.get("app", "/", { cookie: "waybill=forged; __Host-waybill=forged" })).status, 401);
  assert.equal((await served.get("app", "/", { authorization: "token forged" })).status, 401);
  const asked = await served.get("app", "/headers", { authorization: `token ${served.token}` });
  assert.ok(!asked.body.includes(served.token), "the token is not the program's to see");
  await until("the log", async () => (await served.cli(["logs", "app"])).status === 0);
});

const cookiesOf = (lines: readonly string[]): string =>
  lines
    .map((line) => line.split(";")[0] ?? "")
    .filter((pair) => !pair.endsWith("="))
    .join("; ");
