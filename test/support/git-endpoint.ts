import { join } from "node:path";
import type { Identity } from "../../src/core/identity.ts";
import { silentLog } from "../../src/core/log.ts";
import type { Git } from "../../src/git/git.ts";
import { makeGitEndpoint, type GitEndpoint, type GitEndpointOptions } from "../../src/intake/git-endpoint.ts";
import type { PushGate } from "../../src/intake/push-gate.ts";
import { serveFetch, type TestServer } from "./git-server.ts";
import type { WorkingCopy } from "./repository.ts";
import { systemClock } from "../../src/core/clock.ts";
import { testGit } from "./test-git.ts";

const ann: Identity = { name: "ann", kind: "user", role: "member", groups: [] };
export const accept: PushGate["check"] = async () => ({ accept: true, lines: [] });
export async function* follow(): AsyncGenerator<string> {}
export const acceptAll: PushGate = { check: accept, follow };

interface World {
  readonly server: TestServer;
  readonly endpoint: GitEndpoint;
  readonly git: Git;
  readonly clone: WorkingCopy;
  readonly folder: string;
  readonly url: (name: string) => string;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function openEndpoint(gate: PushGate, options: Partial<GitEndpointOptions> = {}): Promise<World> {
  const base = await testGit();
  const endpoint = makeGitEndpoint({
    git: base.git,
    gate,
    authorise: () => true,
    hooksFolder: join(base.folder, "hooks"),
    log: silentLog,
    clock: systemClock,
    ...options,
  });
  const server = await serveFetch((request) => endpoint.handle(request, ann));
  return {
    server,
    endpoint,
    git: base.git,
    clone: base.clone,
    folder: base.folder,
    url: (name) => `${server.url}/git/${name}.git`,
    async [Symbol.asyncDispose]() {
      await endpoint.close();
      await server.close();
      await base[Symbol.asyncDispose]();
    },
  };
}

export const remoteLines = (stderr: string): string[] =>
  [...stderr.matchAll(/^remote: (.*?) *$/gm)].map(([, line = ""]) => line);
