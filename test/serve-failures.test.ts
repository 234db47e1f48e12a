import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import {
  programsBelow,
  service,
  site,
  startWithClone,
  until,
  webProgram,
  type Clone,
  type Served,
} from "./support/served.ts";

// Deployments that fail name their reason and take nothing along; secrets reach the program and nobody else.

let served: Served;
let shop: Clone;

before(async () => {
  ({ served, clone: shop } = await startWithClone("shop"));
});
after(() => served.close());

const running = (command: string, more = ""): string =>
  service("web", more).replace("command: node main.js", `command: ${JSON.stringify(command)}`);

const listener = (port: string, status: number): string =>
  `node -e 'require("http").createServer((q, s) => { s.statusCode = ${status}; s.end("db is down") }).listen(${port})'`;

interface Row {
  readonly name: string;
  readonly state: string;
  readonly reason: string;
}

async function rows(): Promise<ReadonlyMap<string, Row>> {
  const { deployments } = (await served.json(["status"])) as { deployments: Row[] };
  return new Map(deployments.map((row) => [row.name, row]));
}

const impatient = "health: {path: /healthz, startTimeout: 7s}\n";

/** What is deployed, and what the push and the status must say. */
const failures: Readonly<Record<string, readonly [file: string, state: string, reason: RegExp]>> = {
  crash: [
    running("node -e 'console.log(\"boom line\"); process.exit(3)'"),
    "failed",
    /^crashed at once with status 3\nlast line:\n {2}boom line$/,
  ],
  exits: [running("echo bye"), "failed", /^exited at once with status 0: a service must keep running. Is this a job\?/],
  port: [
    running(listener("34567", 200), impatient),
    "failed",
    /^the program listens on port 34567 instead of port \d+: it must listen on the port in \$PORT/,
  ],
  sick: [
    running(listener("process.env.PORT", 500), impatient),
    "failed",
    /^the health check \/healthz answers 500: "db is down"/,
  ],
  build: [
    service("web", "build: echo compiling && exit 4\n"),
    "failed",
    /^the build `echo compiling && exit 4` failed with status 4\nlast line:\n {2}compiling$/,
  ],
  warm: [service("web", "startScript: echo warming; exit 5\n"), "failed", /^the start script failed with status 5/],
  missing: [
    service("web", "secrets: [{name: nosuch, env: A}, {name: nosuch, env: B}]\n"),
    "waiting",
    /^secret "nosuch" does not exist: waybill secret set nosuch$/,
  ],
  needs: [service("web", "requiredEnv: [NOPE]\n"), "waiting", /^NOPE is required and comes from nowhere/],
  victim: [running("exit 9"), "failed", /^crashed at once with status 9\nWhat ran before keeps running\.$/],
};

test("each failure names its reason in the push and the status, and leaves the others and what ran", async () => {
  const good = {
    "web/main.js": webProgram("one"),
    "deployments/good.yaml": service("web"),
    "deployments/victim.yaml": service("web"),
  };
  assert.equal((await shop.push(good)).exitCode, 0);
  const before = (await served.get("good", "/pid")).body;
  const files = Object.entries(failures).map(([name, [file]]) => [`deployments/${name}.yaml`, file] as const);
  const { exitCode, stderr } = await shop.push(Object.fromEntries(files));
  assert.equal(exitCode, 0, "what is valid is accepted, whether or not it runs");
  const said = stderr.replaceAll(/^remote: /gm, "").replaceAll(/ +$/gm, "");
  const found = await rows();
  for (const [name, [, state, reason]] of Object.entries(failures)) {
    const row = found.get(name);
    assert.equal(row?.state, state, name);
    assert.match(row.reason, reason, name);
    const [line = ""] = row.reason.split("\n");
    assert.ok(said.includes(`${state}: ${line}`), `${name}: ${line}\nis not in\n${said}`);
  }
  assert.match(said, /port +starting: the program listens on port 34567 instead of port \d+: .*; still waiting/);
  assert.match(said, /9 of 9 not live after/);
  assert.equal(found.get("good")?.state, "ready");
  assert.equal((await served.get("good", "/pid")).body, before);
  assert.equal((await served.get("victim")).body, "one");
  assert.match((await served.cli(["logs", "crash"])).out, /boom line/);

  const again = (await shop.push({ "README.md": "words" })).stderr;
  assert.match(again, /failed before and unchanged since in production: build, crash, exits, port, sick, victim, warm/);
  assert.match(again, /needs +waiting: NOPE is required/);
  assert.doesNotMatch(again, /everything is as it should be/);
  const names = Object.keys(failures).filter((name) => name !== "victim");
  await shop.git("rm", "--quiet", ...names.map((name) => `deployments/${name}.yaml`));
  await shop.push({ "deployments/victim.yaml": service("web") });
  await served.json(["release", "production"]);
  await until("the failed ones are gone", async () => [...(await rows()).keys()].join() === "good,victim");
  assert.equal((await rows()).get("victim")?.state, "ready");
});

test("a secret reaches the program as a variable and a file; a new value is a new revision", async () => {
  const uses =
    "secrets: [{name: api-key, env: API_KEY}, {name: api-key, file: config/key.txt}]\nrequiredEnv: [API_KEY]\n";
  const set = async (value: string): Promise<void> => {
    const { status, err } = await served.cli(["secret", "set", "api-key"], { input: `${value}\n` });
    assert.equal(status, 0, err);
  };
  const shows = async (value: string): Promise<void> => {
    await until("the value", async () => (await served.get("good", "/env?name=API_KEY")).body === value);
    const { body: path } = await served.get("good", "/env?name=WAYBILL_SECRET_FILE_API_KEY");
    assert.equal((await served.get("good", `/file?name=${encodeURIComponent(path)}`)).body, value);
  };
  const values = ["s3cr3t-of-the-first-day", "s3cr3t-of-the-second-day"] as const;
  await set(values[0]);
  const { stderr } = await shop.push({ "deployments/good.yaml": service("web", uses) });
  await shows(values[0]);
  const before = (await served.get("good", "/pid")).body;
  await set(values[1]);
  await shows(values[1]);
  assert.notEqual((await served.get("good", "/pid")).body, before);

  const seen = [
    stderr,
    ...(await Promise.all(
      [["status"], ["history"], ["logs", "good"], ["secret", "list"]].map(
        async (args) => (await served.cli([...args, "--json"])).out,
      ),
    )),
    JSON.stringify(await served.api("GET", "/repositories/shop/environments/production/deployments/good/spec")),
    JSON.stringify(await served.api("GET", "/repositories/shop/secrets")),
    ...(await programsBelow(served.folder)).map(({ command }) => command),
  ];
  for (const text of seen) assert.doesNotMatch(text, /s3cr3t-of/);
  // Neither in the database's files nor in any other, but for the program's own.
  const found = execFileSync("sh", [
    "-c",
    'grep -rl --exclude-dir=private "s3cr3t-of" "$1" || true',
    "sh",
    served.data,
  ]);
  assert.equal(found.toString(), "");
});

test("a secret of one repository is none of another's", async () => {
  const rival = await served.clone("rival");
  await served.cli(["secret", "set", "hush", "--repository", "shop"], { input: "quiet" });
  const { stderr } = await rival.push({
    "deployments/spy.yaml": service("web", "secrets: [{name: hush, env: HUSH}]\n"),
    "web/main.js": webProgram("spy"),
  });
  assert.match(stderr, /spy +waiting: secret "hush" does not exist/);
});

test("a rollback is refused when a secret that it needs is gone; another deployment's lack is no reason", async () => {
  await shop.push({
    "deployments/good.yaml": service("web"),
    "deployments/page.yaml": site("page"),
    "page/index.html": "old",
  });
  await shop.push({
    "deployments/good.yaml": service("web", "secrets: [{name: brief, env: B}]\n"),
    "page/index.html": "middle",
  });
  await shop.push({ "deployments/good.yaml": service("web"), "page/index.html": "new" });
  const { status, err } = await served.cli(["rollback", "production", "--repository", "shop"]);
  assert.equal(status, 1);
  assert.match(err, /cannot run any more: good: secret "brief" does not exist/);
  await served.json(["rollback", "production", "--only", "page", "--repository", "shop"]);
  await until("the page alone", async () => (await served.get("page")).body === "middle");
  assert.equal((await served.get("good")).body, "one");
});
