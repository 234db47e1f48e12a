import { execFile } from "node:child_process";
import { join } from "node:path";
import { Duplex, Readable, type Writable } from "node:stream";
import { promisify } from "node:util";
import { WaybillError } from "../../core/errors.ts";
import { pipesOf, type Child, type Spawn } from "../../core/spawn.ts";
import { isolation, type GitSettings } from "../../git/environment.ts";
import { followOpening, type Opening } from "./opening.ts";
import { makePushAnswer, type PushAnswer } from "./answer.ts";

/** One request to `git http-backend`, in the words of CGI (RFC 3875). */
export interface BackendCall {
  readonly request: Request;
  /** The path below the project root: `/NAME.git/info/refs`. */
  readonly pathInfo: string;
  readonly projectRoot: string;
  readonly user: string;
  readonly settings: GitSettings;
  /** A push: gets a channel for its hook, and is not ended by a client that hangs up. */
  readonly isPush: boolean;
  readonly spawn: Spawn;
}

export interface Backend {
  readonly response: Promise<Response>;
  readonly push: BackendPush | null;
  /** Resolves when the process and all of its output have ended. */
  readonly ended: Promise<void>;
  /** Ends it: a push tells its pusher why before it goes. */
  stop(): void;
}

export interface BackendPush {
  /** The other end of the hook's descriptor. */
  readonly channel: Duplex;
  /** Rejects as the response does. Whoever takes it must end it. */
  readonly answer: Promise<PushAnswer>;
  /** What it asks for; null where that is not known before Git says so. */
  readonly opening: Promise<Opening | null>;
}

// http-backend's headers are a handful of lines.
const maxHeaderBytes = 16_384;
const maxErrorBytes = 4_096;

/** Where http-backend is: started by its path, which saves the process that `git http-backend` would be. */
export async function findBackend(): Promise<string> {
  const { stdout } = await promisify(execFile)("git", ["--exec-path"]);
  return join(stdout.trim(), "git-http-backend");
}

export function startBackend(program: string, call: BackendCall): Backend {
  const child = call.spawn(program, [], {
    cwd: call.projectRoot,
    env: { ...isolation(call.settings), ...cgiVariables(call) },
    stdio: ["pipe", "pipe", "pipe", ...(call.isPush ? (["pipe"] as const) : [])],
  });
  const { stdin, stdout, stderr } = pipesOf(child);
  const channel = child.stdio[3];
  const opening = feed(call.request, stdin);
  let complaint = "";
  stderr.on("data", (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-maxErrorBytes)));
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  const started = new Promise<never>((_, reject) => child.once("error", reject));
  const head = Promise.race([started, readHead(stdout)]).catch((cause: unknown) => {
    throw new WaybillError("GIT_FAILED", `git http-backend gave no answer: ${complaint.trim() || String(cause)}`, {
      cause,
    });
  });
  if (!(channel instanceof Duplex)) {
    const response = head.then(({ text, rest }) =>
      respond(
        text,
        bodyOf(stdout, rest, () => child.kill()),
      ),
    );
    return { response, push: null, ended, stop: () => void child.kill() };
  }
  const answer = head.then(({ rest }) => makePushAnswer(stdout, rest));
  // Whoever awaits the response sees the failure.
  answer.catch(() => undefined);
  const response = Promise.all([head, answer]).then(([{ text }, { body }]) => respond(text, body));
  return { response, push: { channel, answer, opening }, ended, stop: () => stop(child, channel, answer) };
}

// A hook that lost its server ends in milliseconds.
const stopTimeoutMs = 3_000;

/** http-backend that is killed waits for receive-pack, which waits for its hook, which waits for us: end that first. */
function stop(child: Child, channel: Duplex, answer: Promise<PushAnswer>): void {
  channel.destroy();
  const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
  child.once("close", () => clearTimeout(timer));
  answer.then(
    (relayed) => relayed.stop(),
    () => undefined,
  );
}

function cgiVariables({ request, pathInfo, projectRoot, user }: BackendCall): Record<string, string> {
  const header = (name: string, variable: string): Record<string, string> => {
    const value = request.headers.get(name);
    return value === null ? {} : { [variable]: value };
  };
  // No CONTENT_LENGTH: told a length, http-backend spins for ever when the body ends before it (http-backend.c,
  // pipe_fixed_length); not told, it lets Git read the body itself, to its end. HTTP's own framing bounds it.
  return {
    GIT_PROJECT_ROOT: projectRoot,
    GIT_HTTP_EXPORT_ALL: "1",
    REQUEST_METHOD: request.method,
    PATH_INFO: pathInfo,
    QUERY_STRING: new URL(request.url).search.slice(1),
    REMOTE_USER: user,
    REMOTE_ADDR: "127.0.0.1",
    ...header("content-type", "CONTENT_TYPE"),
    ...header("content-encoding", "HTTP_CONTENT_ENCODING"),
    ...header("git-protocol", "HTTP_GIT_PROTOCOL"),
    ...header("git-protocol", "GIT_PROTOCOL"),
  };
}

function feed({ body, headers }: Request, stdin: Writable): Promise<Opening | null> {
  // A process that ends before it has read everything says why in its answer.
  stdin.on("error", () => undefined);
  if (body === null) {
    stdin.end();
    return Promise.resolve(null);
  }
  const source = Readable.fromWeb(body);
  // A client that hangs up half way: Git sees the end, too early, and takes nothing.
  source.once("error", () => stdin.end());
  stdin.once("close", () => source.destroy());
  const opening = headers.has("content-encoding") ? Promise.resolve(null) : followOpening(source);
  source.pipe(stdin);
  return opening;
}

function respond(head: string, body: ReadableStream<Uint8Array>): Response {
  const headers = new Headers({ "cache-control": "no-cache" });
  let status = 200;
  for (const line of head.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
    else if (colon > 0) headers.set(name, value);
  }
  return new Response(body, { status, headers });
}

async function readHead(stdout: Readable): Promise<{ text: string; rest: Buffer }> {
  let held = Buffer.alloc(0);
  for (;;) {
    const end = /\r?\n\r?\n/.exec(held.toString("latin1"));
    if (end) {
      const bodyAt = end.index + end[0].length;
      return { text: held.toString("latin1", 0, end.index), rest: held.subarray(bodyAt) };
    }
    if (held.length > maxHeaderBytes) throw new Error("its headers never end");
    const chunk = await nextChunk(stdout);
    if (chunk === null) throw new Error("it ended without headers");
    held = Buffer.concat([held, chunk]);
  }
}

async function nextChunk(stdout: Readable): Promise<Buffer | null> {
  for (;;) {
    const chunk: Buffer | null = stdout.read();
    if (chunk !== null) return chunk;
    if (stdout.readableEnded || stdout.destroyed) return null;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        for (const event of ["readable", "end", "close", "error"]) stdout.off(event, go);
        resolve();
      };
      for (const event of ["readable", "end", "close", "error"]) stdout.on(event, go);
    });
  }
}

/** What a fetch or an advertisement answers, at the client's pace. */
function bodyOf(stdout: Readable, first: Buffer, onHangUp: () => void): ReadableStream<Uint8Array> {
  let isOpen = true;
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (first.length > 0) controller.enqueue(new Uint8Array(first));
      stdout.on("data", (chunk: Buffer) => {
        if (!isOpen) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) stdout.pause();
      });
      const finish = (): void => {
        if (isOpen) controller.close();
        isOpen = false;
      };
      stdout.once("end", finish);
      stdout.once("close", finish);
    },
    pull: () => {
      stdout.resume();
    },
    cancel: () => {
      isOpen = false;
      stdout.resume();
      onHangUp();
    },
  });
}
