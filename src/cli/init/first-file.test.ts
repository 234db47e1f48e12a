import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { packageRoot } from "../../core/package-root.ts";
import { defaultContext } from "../../spec/context.ts";
import { checkRepository } from "../../spec/repository.ts";
import { firstFile } from "./first-file.ts";
import { openFolder } from "./folder.ts";

const fixtures = join(packageRoot, "fixtures/init");

interface Expected {
  readonly saw: string;
  readonly name?: string;
  readonly fields: Record<string, unknown>;
  readonly hints?: readonly RegExp[];
}

const python = {
  build: "python3 -m pip install --requirement requirements.txt --target .deps",
  env: { PYTHONPATH: ".deps" },
};

const expected: Record<string, Expected | null> = {
  django: {
    saw: "a Django project",
    fields: { ...python, command: "python3 manage.py runserver --noreload 0.0.0.0:$PORT" },
    hints: [/ALLOWED_HOSTS/, /gunicorn/],
  },
  express: { saw: "an Express server", name: "shop-window", fields: { build: "npm ci", command: "node server.js" } },
  fastapi: {
    saw: "a FastAPI application in app/main.py",
    fields: { ...python, command: "python3 -m uvicorn app.main:api --host 0.0.0.0 --port $PORT" },
  },
  fastify: {
    saw: "a Fastify server",
    name: "prices",
    fields: { build: "npm install", command: "node index.js" },
    hints: [/index\.js does not seem to read PORT/, /127\.0\.0\.1 only/],
  },
  flask: {
    saw: "a Flask application in app.py",
    fields: { ...python, command: "python3 -m flask --app app:app run --host 0.0.0.0 --port $PORT" },
  },
  "flask-factory": {
    saw: "a Flask application in stock/__init__.py",
    fields: {
      ...python,
      build: "python3 -m pip install . --target .deps",
      command: "python3 -m gunicorn --bind 0.0.0.0:$PORT 'stock:create_app()'",
    },
  },
  koa: {
    saw: "a Koa server",
    name: "orders",
    fields: { build: "pnpm install --frozen-lockfile && pnpm run build", command: "pnpm run start" },
  },
  next: {
    saw: "a Next.js application",
    name: "storefront",
    fields: {
      build: "yarn install --frozen-lockfile && yarn run build",
      command: "node_modules/.bin/next start --hostname 0.0.0.0 --port $PORT",
    },
  },
  node: { saw: "a Node server in server.js", fields: { command: "node server.js" } },
  nothing: null,
  panel: {
    saw: "a Panel dashboard in board.py",
    fields: {
      ...python,
      command: 'python3 -m panel serve board.py --address 0.0.0.0 --port $PORT --allow-websocket-origin "*"',
    },
  },
  python: { saw: "a Python program in main.py", fields: { command: "python3 -u main.py" } },
  static: { saw: "a static site in this folder", fields: {}, hints: [/private files/] },
  "static-folder": { saw: "a static site in public/", fields: { folder: "public" } },
  streamlit: {
    saw: "a Streamlit application in streamlit_app.py",
    fields: {
      ...python,
      command:
        "python3 -m streamlit run streamlit_app.py --server.address 0.0.0.0 --server.port $PORT --server.headless true --browser.gatherUsageStats false --global.developmentMode false",
      health: "/_stcore/health",
    },
  },
  vite: {
    saw: "a Vite application, served as files",
    name: "dashboard",
    fields: { build: "npm install && npm run build", folder: "dist", spa: true },
  },
};

test("every fixture is expected", () => {
  assert.deepEqual(readdirSync(fixtures).sort(), Object.keys(expected).sort());
});

for (const [fixture, want] of Object.entries(expected)) {
  test(`the first file of ${fixture}`, () => {
    const folder = openFolder(join(fixtures, fixture));
    if (want === null) {
      assert.throws(() => firstFile(folder, "."), { code: "NOT_FOUND", message: /holds nothing that init knows/ });
      return;
    }
    const file = firstFile(folder, ".");
    assert.equal(file.draft.saw, want.saw);
    assert.equal(file.name, want.name ?? fixture);
    assert.deepEqual(file.draft.fields, want.fields);
    const { hints } = file.draft;
    assert.equal(hints.length, want.hints?.length ?? 0, hints.join("\n"));
    want.hints?.forEach((hint, index) => assert.match(hints[index] ?? "", hint));
    assert.equal(file.text.split("\n")[0], "# yaml-language-server: $schema=../deploy.schema.json");
    const { problems, deployments } = checkRepository(
      [{ path: file.path, bytes: Buffer.from(file.text) }],
      defaultContext,
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(
      deployments.map(({ name, kind }) => ({ name, kind })),
      [{ name: file.name, kind: file.draft.kind }],
    );
  });
}

test("a folder within a repository is named as its source", () => {
  const { text } = firstFile(openFolder(join(fixtures, "node")), "services/node");
  assert.match(text, /^source:\n {2}path: services\/node$/m);
});

/** What init makes of a folder with these files; one whose name ends in a slash is a folder. */
function drafted(t: TestContext, files: Readonly<Record<string, string>>): { saw: string; command: unknown } {
  const folder = mkdtempSync(join(tmpdir(), "waybill-init-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name.endsWith("/") ? name : dirname(name)), { recursive: true });
    if (!name.endsWith("/")) writeFileSync(join(folder, name), text);
  }
  const { saw, fields } = firstFile(openFolder(folder), ".").draft;
  return { saw, command: fields["command"] };
}

const express = (fields: object): string => JSON.stringify({ dependencies: { express: "5" }, ...fields });
const server = "app.listen(process.env.PORT)";

test("a main that is a folder is run by its index, one that is none by what lies there", (t) => {
  assert.deepEqual(drafted(t, { "package.json": express({ main: "lib" }), "lib/index.js": server }), {
    saw: "an Express server",
    command: "node lib/index.js",
  });
  assert.deepEqual(drafted(t, { "package.json": express({ main: 5, name: {} }), "app.js": server }), {
    saw: "an Express server",
    command: "node app.js",
  });
  assert.deepEqual(drafted(t, { "package.json/": "", "server.js": server }), {
    saw: "a Node server in server.js",
    command: "node server.js",
  });
});

test("a package.json with a mark of its encoding is read", (t) => {
  assert.deepEqual(drafted(t, { "package.json": "\uFEFF{}", "index.js": server }), {
    saw: "a Node program",
    command: "node index.js",
  });
});

test("what is no package.json is left to what else lies there", (t) => {
  for (const text of ["null", "5", "{", '{"scripts": 5, "dependencies": []}']) {
    assert.match(drafted(t, { "package.json": text, "server.js": server, "index.html": "" }).saw, /./);
  }
});

test("a name with a space is one word of the command", (t) => {
  const commandOf = (files: Record<string, string>) => String(drafted(t, files).command);
  const flask = "from flask import Flask\napp = Flask(__name__)\n";
  assert.match(commandOf({ "my board.py": "import panel as pn\npn.Row().servable()" }), / serve 'my board\.py' --/);
  assert.match(commandOf({ "web app/app.py": flask }), / --app 'web app\.app:app' run /);
  assert.match(commandOf({ "it's.py": "import streamlit" }), / run 'it'\\''s\.py' --/);
  assert.match(
    commandOf({ "package.json": express({ main: "my server.js" }), "my server.js": server }),
    / 'my server\.js'$/,
  );
});
