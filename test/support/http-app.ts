import type { Hono } from "hono";
import type { Identity } from "../../src/core/identity.ts";
import type { HttpAccess, HttpDependencies, SecretView } from "../../src/http/dependencies.ts";
import type { LogLine } from "../../src/targets/workload.ts";
import { WaybillError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/core/log.ts";
import { Secret } from "../../src/core/secret.ts";
import { makeHttpApp } from "../../src/http/app.ts";
import { makeFakeRelease, type FakeRelease, type World } from "./fake-release.ts";
import type { JobWorkload } from "../../src/runs/run.ts";
import { makeFakeRuns } from "./fake-runs.ts";
import { sampleWorld } from "./sample-world.ts";

export const publicUrl = "http://localhost:8080";

/** Tokens and session cookies of the people of the tests: the name is the token. */
export const people = {
  anna: { name: "anna", kind: "user", role: "admin", groups: [] },
  jon: { name: "jon", kind: "user", role: "member", groups: ["search"] },
  vera: { name: "vera", kind: "user", role: "viewer", groups: ["search"] },
} as const satisfies Record<string, Identity>;

export type Person = keyof typeof people;

const isPerson = (name: string): name is Person => Object.hasOwn(people, name);

export interface TestApp {
  readonly app: Hono;
  readonly release: FakeRelease;
  readonly world: World;
  readonly runs: ReturnType<typeof makeFakeRuns>;
  readonly dependencies: HttpDependencies;
  readonly secrets: Map<string, string>;
  /** Adds a line to every deployment's log. */
  readonly say: (line: LogLine) => void;
  /** A request as a program with this person's token sends it; nobody's for null. */
  readonly call: (person: Person | null, method: string, path: string, body?: unknown) => Promise<Response>;
  /** As this person's browser sends it, from our own page unless `from` says otherwise. */
  readonly browse: (
    person: Person | null,
    path: string,
    form?: Record<string, string>,
    from?: string,
  ) => Promise<Response>;
  readonly stop: () => void;
}

interface Options {
  readonly world?: World;
  readonly publicUrl?: string;
  readonly job?: JobWorkload;
}

/** The app on fakes: a Release in memory, people by name, a log of a few lines. */
export function makeTestApp({ world = sampleWorld(), publicUrl: url = publicUrl, job }: Options = {}): TestApp {
  const release = makeFakeRelease(world);
  const runs = makeFakeRuns(job);
  const stopping = new AbortController();
  const secrets = new Map<string, string>();
  const log = makeFakeLog(sampleLog());
  const dependencies: HttpDependencies = {
    release,
    runs,
    events: {
      receive: async () => ({ isRepeated: false }),
      event: async (address) => ({
        ...address,
        jobs: ["ranker"],
        keys: [{ by: "jon", at: new Date() }],
        deliveries: [
          { address, id: "e1", receivedAt: new Date(), outcome: [{ job: "ranker", run: "t1", problem: null }] },
          { address, id: "e2", receivedAt: new Date(), outcome: null },
        ],
      }),
      newKey: async () => new Secret("whsec_x"),
      endFormerKeys: async () => undefined,
    },
    access: fakeAccess(url),
    // Viewers may see the ranker, and nothing else.
    accessRule: async ({ deployment }) =>
      deployment === "ranker"
        ? { visibility: "viewers", viewers: ["group:search"], public: [] }
        : { visibility: "viewers", viewers: [], public: [] },
    git: { handle: async (request, identity) => new Response(`${identity.name} ${new URL(request.url).pathname}`) },
    sources: { handle: async (_request, repository, file) => Response.json({ repository, file }) },
    webhooks: { receive: async (_request, repository) => Response.json({ repository }, { status: 202 }) },
    logs: (_stack, { lines, follow, signal }) => log.read({ lines, follow, signal }),
    secrets: fakeSecrets(secrets),
    stacks: { export: async () => ({ version: 3, deployment: {} }), import: async () => undefined },
    clock: { now: () => new Date(), sleep: () => Promise.resolve() },
    log: silentLog,
    publicUrl: url,
    signal: stopping.signal,
  };
  const app = makeHttpApp(dependencies);
  return {
    app,
    release,
    world,
    runs,
    dependencies,
    secrets,
    say: (line) => log.say(line),
    call: async (person, method, path, body) =>
      app.request(path, {
        method,
        headers: {
          host: new URL(url).host,
          ...(person && { authorization: `Bearer ${person}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    browse: async (person, path, form, from = "same-origin") =>
      app.request(path, {
        method: form ? "POST" : "GET",
        headers: { host: new URL(url).host, "sec-fetch-site": from, ...(person && { cookie: `session=${person}` }) },
        ...(form ? { body: new URLSearchParams(form) } : {}),
      }),
    stop: () => stopping.abort(),
  };
}

export const sampleLog = (): LogLine[] =>
  [
    "Listening on http://0.0.0.0:8000",
    "GET / 200 12 ms",
    "GET /products/42 200 31 ms",
    "GET /favicon.ico 404 1 ms",
  ].map((text, index) => ({
    at: `2026-03-04T10:15:0${index}.000Z`,
    stream: index === 3 ? "stderr" : "stdout",
    text,
  }));

function makeFakeLog(kept: LogLine[]) {
  const heard = new EventTarget();
  return {
    say(line: LogLine): void {
      kept.push(line);
      heard.dispatchEvent(new Event("line"));
    },
    async *read({
      lines,
      follow,
      signal,
    }: {
      lines: number;
      follow: boolean;
      signal: AbortSignal;
    }): AsyncGenerator<LogLine> {
      let next = Math.max(0, kept.length - lines);
      for (;;) {
        while (next < kept.length) {
          const line = kept[next++];
          if (line) yield line;
        }
        if (!follow || signal.aborted) return;
        await new Promise<void>((resolve) => {
          heard.addEventListener("line", () => resolve(), { once: true });
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    },
  };
}

function fakeSecrets(kept: Map<string, string>): HttpDependencies["secrets"] {
  const at = "2026-03-04T10:00:00.000Z";
  const key = (scope: { repository: string; environment: string | null; name: string }): string =>
    `${scope.repository}/${scope.environment ?? "*"}/${scope.name}`;
  return {
    async set(request) {
      kept.set(key(request), request.value.reveal());
      return { name: request.name, environment: request.environment, version: 1, updatedAt: at };
    },
    async list(repository) {
      return [...kept.keys()].flatMap((path): SecretView[] => {
        const [owner, environment = "*", name = ""] = path.split("/");
        return owner === repository
          ? [{ name, environment: environment === "*" ? null : environment, version: 1, updatedAt: at }]
          : [];
      });
    },
    async remove(request) {
      if (!kept.delete(key(request))) throw new WaybillError("NOT_FOUND", `there is no secret ${request.name}`);
    },
  };
}

const refused = (): WaybillError =>
  new WaybillError("SIGN_IN_FAILED", "The name and password, or the token, are not right.");

/** Knows people by `Bearer NAME`, `Basic x:NAME` and the cookie `session=NAME`; every password is `NAME's password`. */
function fakeAccess(url: string): HttpAccess {
  const enter = (name: string, returnTo: string | null) => {
    if (!isPerson(name)) throw refused();
    return {
      setCookie: [`session=${name}; Path=/; HttpOnly; SameSite=Lax`],
      location: new URL(returnTo ?? "/", url).href,
    };
  };
  const identify = (headers: Headers): Identity | null => {
    const [, scheme = "", value = ""] = /^(\w+) (.+)$/.exec(headers.get("authorization") ?? "") ?? [];
    const password = scheme === "Basic" ? (Buffer.from(value, "base64").toString().split(":")[1] ?? "") : value;
    const name = password || (/(?:^|; )session=(\w+)/.exec(headers.get("cookie") ?? "")?.[1] ?? "");
    return isPerson(name) ? people[name] : null;
  };
  return {
    authenticate: async (headers) => identify(headers),
    async signInWithPassword({ name, password, returnTo }) {
      if (password.reveal() !== `${name}'s password`) throw refused();
      return enter(name, returnTo);
    },
    signInWithToken: async ({ token, returnTo }) => enter(token.reveal(), returnTo),
    inspectLink: async (link) => (link.reveal() === "good-link" ? { user: "anna", role: "admin" } : null),
    async redeemLink({ link, returnTo }) {
      if (link.reveal() !== "good-link") throw refused();
      return enter("anna", returnTo);
    },
    async continueSignIn({ cookie, returnTo }) {
      const identity = identify(new Headers({ cookie: cookie ?? "" }));
      return identity ? { setCookie: [], location: new URL(returnTo ?? "/", url).href } : null;
    },
    finishHostSession: async (_code, host) => ({ setCookie: ["session=x"], location: `http://${host}/` }),
    signOut: async () => ({ setCookie: ["session=; Max-Age=0"], location: `${url}/sign-in` }),
    async setPassword(_by, _name, password) {
      if (password.reveal().length < 12)
        throw new WaybillError("REQUEST_INVALID", "a password has 12 to 1024 characters");
    },
    invite: async (_by, { user }) => ({
      url: new Secret(`${url}/sign-in/link?token=for-${user}`),
      expiresAt: new Date(0),
    }),
    listUsers: async () => [],
    removeUser: async () => undefined,
    createToken: async (by, { name, role = by.role }) => ({
      token: {
        id: "t1",
        name,
        role,
        groups: [],
        owner: by.name,
        createdBy: by.name,
        createdAt: new Date(0),
        expiresAt: null,
        lastUsedAt: null,
      },
      secret: new Secret("wb_shown-once"),
    }),
    listTokens: async () => [],
    async revokeToken(_by, id) {
      if (id !== "t1") throw new WaybillError("NOT_FOUND", `there is no token "${id}" of yours`);
    },
  };
}
