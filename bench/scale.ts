// One file changed among 1,000 deployments against one among 100: from `git push` to the end of its deploy.
// The competitor is Waybill itself on the smaller repository: what is wanted is that size hardly counts.
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { median, ratioLine, startServer, type BenchServer } from "./support.ts";

const exec = promisify(execFile);
const rounds = Number(process.env["ROUNDS"] ?? 11);
const [few, many] = [100, Number(process.env["MANY"] ?? 1000)];
const wantedRatio = 1.5;
const environment = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };

const site = (prefix: string, index: number, description: string): string => `apiVersion: waybill/v1
kind: site
name: ${prefix}-${index}
description: ${description}
source: {path: page}
access: {visibility: public}
`;

interface Fleet {
  readonly prefix: string;
  readonly change: (round: number) => Promise<number>;
}

/** A repository of `count` sites, deployed once. */
async function makeFleet(server: BenchServer, folder: string, count: number): Promise<Fleet> {
  const prefix = `fleet${count}`;
  const work = join(folder, prefix);
  const git = (...args: string[]) => exec("git", args, { cwd: work, env: environment, maxBuffer: 64 * 1024 * 1024 });
  const write = (index: number, description: string) =>
    writeFile(join(work, "deployments", `${prefix}-${index}.yaml`), site(prefix, index, description));
  await mkdir(join(work, "deployments"), { recursive: true });
  await mkdir(join(work, "page"));
  await writeFile(join(work, "page", "index.html"), "<!doctype html><title>page</title>");
  for (let index = 0; index < count; index += 1) await write(index, "first");
  await git("init", "--quiet", "--initial-branch=main");
  await git("config", "user.name", "bench");
  await git("config", "user.email", "bench@localhost");
  await git("config", "http.extraHeader", `Authorization: Bearer ${server.token}`);
  await git("remote", "add", "origin", `http://localhost:${server.port}/git/${prefix}.git`);
  const push = async (message: string): Promise<number> => {
    await git("add", "--all");
    await git("commit", "--quiet", "--message", message);
    const startedAt = performance.now();
    const { stderr } = await git("push", "origin", "main");
    if (!/remote: done in /.test(stderr)) throw new Error(`the push did not end well: ${stderr.slice(-500)}`);
    return performance.now() - startedAt;
  };
  console.log(`${count} deployments, all new: ${(await push("first")).toFixed(0)} ms`);
  return {
    prefix,
    async change(round) {
      await write(round, `changed in round ${round}`);
      return push(`round ${round}`);
    },
  };
}

const folder = await mkdtemp(join(tmpdir(), "waybill-bench-"));
await chmod(folder, 0o711);
const server = await startServer(join(folder, "data"));
try {
  const small = await makeFleet(server, folder, few);
  const large = await makeFleet(server, folder, many);
  const times = { small: [] as number[], large: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    times.small.push(await small.change(round));
    times.large.push(await large.change(round));
  }
  const ratio = median(times.large) / median(times.small);
  console.log(
    `one of ${few}: p50 ${median(times.small).toFixed(0)} ms; one of ${many}: p50 ${median(times.large).toFixed(0)} ms`,
  );
  console.log(
    ratioLine(`one changed of ${many}`, { ratio, wanted: `at most ${wantedRatio}`, competitor: `one of ${few}` }),
  );
  if (ratio > wantedRatio) process.exitCode = 1;
} finally {
  await server.close();
  await rm(folder, { recursive: true, force: true });
}
