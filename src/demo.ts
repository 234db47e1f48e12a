import { spawn } from "node:child_process";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { WaybillError } from "./core/errors.ts";
import type { Log } from "./core/log.ts";
import { packageRoot } from "./core/package-root.ts";
import type { Secret } from "./core/secret.ts";
import { serve, type RunningServer } from "./serve.ts";
import type { ServeOptions } from "./server/options.ts";

export interface RunningDemo {
  readonly url: string;
  /** Signs in as the administrator, once. */
  readonly signIn: Secret;
  /** The sample repository's working copy. */
  readonly sample: string;
  /** True when the sample was there already, from an earlier start. */
  readonly isAgain: boolean;
  close(): Promise<void>;
}

/** A server with a sample repository pushed to it. Everything that it starts ends with it. */
export async function demo(options: ServeOptions, log: Log, say: (line: string) => void): Promise<RunningDemo> {
  const server = await serve({ ...options, stopWorkloads: true }, log);
  try {
    const sample = join(options.data, "sample");
    const isAgain = existsSync(join(sample, ".git", "waybill-pushed"));
    if (!isAgain) await makeSample(server, { sample, data: options.data, say });
    return {
      url: server.url,
      signIn: await server.operator.signInLink(),
      sample,
      isAgain,
      close: () => server.close(),
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

interface Sample {
  readonly sample: string;
  readonly data: string;
  readonly say: (line: string) => void;
}

/** A step that was interrupted is done again: Git's own commands allow it. */
async function makeSample(server: RunningServer, { sample, data, say }: Sample): Promise<void> {
  const git = (args: readonly string[], onLine?: (line: string) => void) => runGit(sample, args, onLine);
  await mkdir(sample, { recursive: true });
  await cp(join(packageRoot, "fixtures", "demo"), sample, { recursive: true });
  await cp(join(packageRoot, "deploy.schema.json"), join(sample, "deploy.schema.json"));
  const credentials = join(data, "sample-credentials");
  const url = new URL("/git/demo.git", server.url);
  const token = (await server.operator.token("demo")).reveal();
  await writeFile(credentials, `${url.protocol}//demo:${token}@${url.host}\n`, { mode: 0o600 });
  await git(["init", "--quiet", "--initial-branch=main"]);
  await git(["config", "user.name", "Demo"]);
  await git(["config", "user.email", "demo@localhost"]);
  await git(["config", "credential.helper", `store --file=${quote(credentials)}`]);
  await git(["config", "remote.origin.url", url.href]);
  await git(["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
  await git(["add", "--all"]);
  await git(["commit", "--quiet", "--allow-empty", "--message", "A web app, a report and a handbook"]);
  await git(["push", "--quiet", "--set-upstream", "origin", "main"], say);
  await writeFile(join(sample, ".git", "waybill-pushed"), "");
}

/** Within a credential helper's command line, which a shell reads. */
const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** Runs Git without the user's own settings; each line that the server says is handed on. */
function runGit(cwd: string, args: readonly string[], onLine: (line: string) => void = () => undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const env = {
      ...process.env,
      GIT_CONFIG_GLOBAL: "/dev/null",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_TERMINAL_PROMPT: "0",
    };
    const child = spawn("git", [...args], { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
    let pending = "";
    let all = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      all += text;
      const lines = (pending + text).split(/[\r\n]/);
      pending = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("remote: ")) onLine(line.slice("remote: ".length).trimEnd());
    });
    child.once("error", (cause) =>
      reject(new WaybillError("GIT_FAILED", `git cannot be run: ${cause.message}`, { cause })),
    );
    child.once("close", (code) => {
      if (code === 0) resolve();
      else
        reject(
          new WaybillError("GIT_FAILED", `git ${args[0] ?? ""} in ${cwd} ended with status ${code}: ${all.trim()}`),
        );
    });
  });
}

/** What to do next, for whoever reads the terminal. */
export function demoLines({ url, signIn, sample, isAgain }: RunningDemo): readonly string[] {
  const folder = relative(process.cwd(), sample) || ".";
  const host = new URL(url).host;
  return [
    ...(isAgain ? [`Found the sample of an earlier start in ${folder}; what ran then runs again.`] : []),
    "",
    `  web      http://web.${host}       a Node server, for whoever is signed in`,
    `  reports  http://reports.${host}   a Python server, for whoever is signed in`,
    `  docs     http://docs.${host}      static files, for everybody`,
    "",
    `Sign in, once:  ${signIn.reveal()}`,
    `All of it:      ${url}`,
    "",
    "Change a line and push:",
    `  cd ${folder}`,
    `  sed -i.bak "s/GREETING: .*/GREETING: Hello at $(date +%T)/" deployments/web.yaml && rm deployments/web.yaml.bak`,
    `  git commit -am "Another greeting" && git push`,
    "",
    "Take it back, by deleting the tag of the newest snapshot, which the push named:",
    "  git push --delete origin waybill/production/2",
    "production is then on hold: new commits wait until somebody presses Release on the page.",
    "",
    "Ctrl-C stops the demo and all that it started.",
  ];
}
