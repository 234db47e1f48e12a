import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../core/package-root.ts";
import { defaultContext } from "./context.ts";
import type { SourceFile } from "./problem.ts";
import { formatProblem } from "./problem.ts";
import { checkRepository, makeChecker } from "./repository.ts";
import { resolve } from "./resolve.ts";

const fixtures = join(packageRoot, "fixtures/spec");

function fixture(path: string): SourceFile {
  const name = basename(path);
  const isSettings = name === "waybill.yaml";
  return { path: isSettings ? name : `deployments/${name}`, bytes: readFileSync(join(fixtures, path)) };
}

function file(path: string, text: string): SourceFile {
  return { path, bytes: Buffer.from(text) };
}

const problemsOf = (...files: SourceFile[]): string[] =>
  checkRepository(files, defaultContext).problems.map(formatProblem);

const service = (fields = ""): string => `apiVersion: waybill/v1\nkind: service\ncommand: a\n${fields}`;

for (const name of readdirSync(join(fixtures, "valid"))) {
  test(`${name} has no problems and resolves to plain data`, () => {
    const { deployments, problems } = checkRepository([fixture(`valid/${name}`)], defaultContext);
    assert.deepEqual(problems.map(formatProblem), []);
    assert.ok(deployments.length > 0);
    for (const spec of deployments) {
      for (const environment of ["production", ...Object.keys(spec.environments ?? {})]) {
        const resolved = resolve(spec, environment, defaultContext);
        assert.deepEqual(JSON.parse(JSON.stringify(resolved)), resolved);
      }
    }
  });
}

for (const name of readdirSync(join(fixtures, "invalid")).filter((name) => name.endsWith(".yaml"))) {
  test(`${name} has exactly the problems written beside it`, () => {
    const expected = readFileSync(join(fixtures, "invalid", name.replace(/yaml$/, "problems")), "utf8");
    assert.equal(
      problemsOf(fixture(`invalid/${name}`))
        .map((line) => `${line}\n`)
        .join(""),
      expected,
    );
  });
}

test("all problems of all files come in the order of files and lines", () => {
  const lines = problemsOf(
    file("deployments/b.yaml", service("port: x\nstate: y\n")),
    file("waybill.yaml", "apiVersion: waybill/v1\nenvironmants: {}\n"),
    file("deployments/a.yaml", service("size: x\n")),
    file("deployments/nested/c.yaml", "not looked at"),
  );
  assert.deepEqual(
    lines.map((line) => line.split(" ").slice(0, 2).join(" ")),
    [
      "deployments/a.yaml:4:7 SIZE_UNKNOWN",
      "deployments/b.yaml:4:7 FIELD_TYPE",
      "deployments/b.yaml:5:8 FIELD_VALUE",
      "waybill.yaml:2:1 FIELD_UNKNOWN",
    ],
  );
});

test("two deployments may not have one name, nor two routes one host name", () => {
  assert.deepEqual(
    problemsOf(
      file("deployments/a.yaml", service("routes: [{subdomain: shop}]\n")),
      file("deployments/b.yaml", service("name: a\n")),
      file("deployments/c.yaml", service("subdomain: shop\n")),
      file("deployments/shop.yaml", service()),
    ),
    [
      'deployments/a.yaml:4:22 ROUTE_DUPLICATE host name "shop" is also that of service "shop" in deployments/shop.yaml:1: choose another subdomain',
      'deployments/b.yaml:4:7 NAME_DUPLICATE deployment "a" is also in deployments/a.yaml:1: rename one of them',
      'deployments/c.yaml:4:12 ROUTE_DUPLICATE host name "shop" is also that of service "a" in deployments/a.yaml:1: choose another subdomain',
    ],
  );
});

test("routes that meet only in one environment are found there", () => {
  assert.deepEqual(
    problemsOf(
      file("deployments/a.yaml", service("environments: {staging: {subdomain: x}, qa: {subdomain: b}}\n")),
      file(
        "deployments/b.yaml",
        service("environments:\n  staging: {routes: [{subdomain: x}]}\n  qa: {subdomain: y}\n"),
      ),
    ),
    [
      'deployments/b.yaml:5:34 ROUTE_DUPLICATE host name "x" is also that of service "a" in deployments/a.yaml:1: choose another subdomain (in environment staging)',
    ],
  );
});

test("an environment that looks like a slip is a problem, another one is not", () => {
  const settings = file("waybill.yaml", "apiVersion: waybill/v1\nenvironments: {production: {branch: main}}\n");
  const overlays = file("deployments/a.yaml", service("environments: {prodution: {}, pr-12: {}, load-test: {}}\n"));
  assert.deepEqual(problemsOf(settings, overlays), [
    'deployments/a.yaml:4:16 ENVIRONMENT_UNKNOWN environment "prodution" is not in waybill.yaml. Did you mean "production"?',
  ]);
  assert.deepEqual(problemsOf(overlays), []);
});

test("without waybill.yaml the default branch is production", () => {
  const context = { ...defaultContext, defaultBranch: "trunk" };
  assert.deepEqual(checkRepository([], context).settings, { environments: { production: { branch: "trunk" } } });
});

test("waybill.yaml is completed", () => {
  const text = `apiVersion: waybill/v1
environments:
  production: {branch: main, approvals: 1, freeze: [{cron: "0 17 * * FRI", duration: 63h, timezone: Europe/Berlin}]}
  staging: {branch: main}
  demo: {promoteFrom: staging}
previews: {pullRequests: true}
`;
  const { settings, problems } = checkRepository([file("waybill.yaml", text)], defaultContext);
  assert.deepEqual(problems, []);
  assert.deepEqual(settings, {
    environments: {
      production: {
        branch: "main",
        approvals: 1,
        freeze: [{ cron: "0 17 * * FRI", durationSeconds: 226_800, timezone: "Europe/Berlin" }],
      },
      staging: { branch: "main" },
      demo: { promoteFrom: "staging" },
    },
    previews: { pullRequests: true, expireAfterSeconds: 259_200, forks: "plan" },
  });
});

test("a checker remembers files by content and forgets nothing between them", () => {
  const checker = makeChecker(defaultContext);
  const files = Array.from({ length: 1000 }, (_, index) =>
    file(`deployments/d${index}.yaml`, service(`port: ${index + 1}\n`)),
  );
  const first = checker.check(files);
  const again = checker.check(files);
  assert.deepEqual(first.problems, []);
  assert.ok(
    first.deployments.every((spec, index) => spec === again.deployments[index]),
    "each is remembered",
  );
  const changed = files.with(500, file("deployments/d500.yaml", service("name: d7\n")));
  assert.deepEqual(checker.check(changed).problems.map(formatProblem), [
    'deployments/d7.yaml:1:1 NAME_DUPLICATE deployment "d7" is also in deployments/d500.yaml:1: rename one of them',
  ]);
  assert.deepEqual(checker.check(files), first);
});

test("equal deployments have equal text, however they are written", () => {
  const one = checkRepository([file("deployments/a.yaml", service("env: {B: 1, A: x}\nport: 8000\n"))], defaultContext);
  const two = checkRepository(
    [file("deployments/a.yml", `# a\n${service('env:\n  A: "x"\n  B: "1"\n')}`)],
    defaultContext,
  );
  const [first, second] = [one, two].map(({ deployments }) =>
    deployments.map((spec) => JSON.stringify(resolve(spec, "production", defaultContext))),
  );
  assert.deepEqual(first, second);
});
