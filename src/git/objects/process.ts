import type { Writable } from "node:stream";
import { isSha } from "../../core/names.ts";
import { WaybillError } from "../../core/errors.ts";
import { pipesOf, type Spawn } from "../../core/spawn.ts";
import { makeByteSource, type ByteSource } from "./byte-source.ts";
import { cannotRun } from "../command.ts";
import { isolation } from "../environment.ts";

/** What `git cat-file` says of an object before its content. */
export interface ObjectHeader {
  readonly id: string;
  readonly type: "commit" | "tree" | "blob" | "tag";
  readonly sizeBytes: number;
}

export interface BatchOptions {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly spawn: Spawn;
}

/** Reads the content that follows a header; it must take all of it from the source. */
export type Consume<Value> = (header: ObjectHeader, source: ByteSource) => Promise<Value>;

export interface ObjectProcess {
  /** `name` is an object's id or a snapshot tag's full ref name. Null: there is no such object. */
  ask<Value>(name: string, consume: Consume<Value>): Promise<Value | null>;
  close(): Promise<void>;
}

interface Question {
  settle(line: string, source: ByteSource): Promise<void>;
  fail(error: unknown): void;
  /** The process ended before it came to this question. */
  orphan(error: unknown): void;
}

interface Running {
  readonly stdin: Writable;
  readonly questions: Question[];
  readonly ended: Promise<void>;
}

// A repository that nobody asks about must not hold a process.
const idleMs = 20_000;

const snapshotRef = /^refs\/tags\/waybill\/[a-z0-9-]+\/[0-9]+$/;

/**
 * One `git cat-file --batch` that is kept running: an object costs a round trip on a pipe instead of a process.
 * Only ids and snapshot tags are ever written to it, so no name or path of a repository can be taken for anything else.
 */
export function makeObjectProcess(options: BatchOptions): ObjectProcess {
  let running: Running | undefined;
  let idle: NodeJS.Timeout | undefined;

  function current(): Running {
    clearTimeout(idle);
    idle = setTimeout(() => void close(), idleMs).unref();
    running ??= start(options, (ended) => {
      if (running === ended) running = undefined;
    });
    return running;
  }

  async function close(): Promise<void> {
    clearTimeout(idle);
    const ending = running;
    running = undefined;
    ending?.stdin.end();
    await ending?.ended;
  }

  function ask<Value>(name: string, consume: Consume<Value>, isRetry: boolean): Promise<Value | null> {
    return new Promise((resolve, reject) => {
      const { stdin, questions } = current();
      questions.push({
        async settle(line, source) {
          const header = parseHeader(line);
          resolve(header && (await consume(header, source)));
        },
        fail: reject,
        // The process may have ended between two questions, which no one could know: once more with a new one.
        orphan: (error) => (isRetry ? reject(error) : resolve(ask(name, consume, true))),
      });
      stdin.write(`${name}\n`);
    });
  }

  return {
    close,
    ask(name, consume) {
      if (isSha(name) || snapshotRef.test(name)) return ask(name, consume, false);
      return Promise.reject(new TypeError(`not an object's name: ${JSON.stringify(name.slice(0, 80))}`));
    },
  };
}

function start({ path, env, spawn }: BatchOptions, onEnd: (running: Running) => void): Running {
  const child = spawn("git", ["cat-file", "--batch"], {
    cwd: path,
    env: { ...isolation(), ...env, GIT_DIR: path },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const { stdin, stdout, stderr } = pipesOf(child);
  const questions: Question[] = [];
  let complaint = "";
  stderr.on("data", (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2_000)));
  stdin.on("error", () => undefined);
  const failure = new Promise<unknown>((resolve) => {
    child.once("error", (cause) => resolve(cannotRun(cause)));
    child.once("close", () =>
      resolve(new WaybillError("GIT_FAILED", `${path}: git cat-file ended: ${complaint.trim() || "no message"}`)),
    );
  });
  const running: Running = {
    stdin,
    questions,
    ended: answer(questions, makeByteSource(stdout))
      .catch(() => child.kill())
      .then(async () => {
        const error = await failure;
        onEnd(running);
        for (const question of questions.splice(0)) question.orphan(error);
      }),
  };
  return running;
}

async function answer(questions: Question[], source: ByteSource): Promise<void> {
  for (let line = await source.line(); line !== null; line = await source.line()) {
    const question = questions.shift();
    if (!question) throw new Error("git cat-file answered what was not asked");
    try {
      await question.settle(line, source);
    } catch (error) {
      // The stream's position is unknown after a failed read: this process cannot be used further.
      question.fail(error);
      throw error;
    }
  }
}

/** Reads `ID SP TYPE SP SIZE`; null for anything else. */
export function parseHeader(line: string): ObjectHeader | null {
  const [id = "", type, size] = line.split(" ");
  if (type === "commit" || type === "tree" || type === "blob" || type === "tag") {
    return { id, type, sizeBytes: Number(size) };
  }
  return null;
}
