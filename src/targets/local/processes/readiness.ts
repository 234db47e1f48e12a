import { request } from "node:http";
import { connect, type Socket } from "node:net";
import type { Clock } from "../../../core/clock.ts";
import { workerSettlesSeconds } from "../../workload.ts";
import { describeTrouble, type Trouble } from "./diagnosis.ts";
import { markerOf, type InstanceRecord } from "./instance.ts";
import type { Exit, StartedProcess } from "./launch.ts";
import { listeningPorts } from "./sockets.ts";

export type Readiness =
  | { readonly ready: true; readonly hostname: string }
  | { readonly ready: false; readonly trouble: Trouble };

export interface ReadinessRequest {
  readonly record: InstanceRecord;
  readonly process: StartedProcess;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
}

/** One look at the program: not there yet, there but not well, or answering. */
type Look =
  | { readonly kind: "silent" }
  | { readonly kind: "no answer" }
  | { readonly kind: "unhealthy"; readonly status: number; readonly body: string }
  | { readonly kind: "answers"; readonly hostname: string };

// The first second decides how long a deploy takes: a refused connection costs 0.1 ms of CPU.
const hastyMs = 1_000;
const pollDelays = [
  { untilMs: hastyMs, delayMs: 3 },
  { untilMs: 5_000, delayMs: 20 },
  { untilMs: 15_000, delayMs: 100 },
];
const slowestPollMs = 500;
// Hardly anything listens on IPv6 alone: while looks are many, only some of them ask there.
const thoroughEvery = 8;
const hintAfterMs = 5_000;
const maxBodyBytes = 300;
// A program may hold its answer back (a stream, a long poll): listening is then all there is to see.
const heldAnswerMs = 2_000;

/** Waits until the program answers, ends, or its start timeout has passed. Rejects only when aborted. */
export async function awaitReadiness(wait: ReadinessRequest): Promise<Readiness> {
  return wait.record.ports.length === 0 ? awaitWorker(wait) : awaitService(wait);
}

async function awaitWorker({ process, clock, signal, record, onProgress }: ReadinessRequest): Promise<Readiness> {
  const leftMs = Math.max(0, workerSettlesSeconds * 1_000 - process.ageMs());
  if (leftMs > 0) onProgress(`it runs, and is live when it has run for ${workerSettlesSeconds} s`);
  const exit = await Promise.race([process.ended(signal), clock.sleep(leftMs, signal).then(() => null)]);
  if (exit === null) return { ready: true, hostname: record.hostname };
  return { ready: false, trouble: exited(exit, process.ageMs()) };
}

async function awaitService(wait: ReadinessRequest): Promise<Readiness> {
  const { record, process, clock, signal, onProgress } = wait;
  const startedAt = clock.now().getTime();
  const timeoutMs = record.spec.startTimeoutSeconds * 1_000;
  const port = record.ports[0]?.actual ?? 0;
  const ended = process.ended(signal);
  // Its rejection on abort is also that of the sleep beside it.
  ended.catch(() => undefined);
  let hasHinted = false;
  for (let looks = 0; ; looks += 1) {
    const isThorough = looks % thoroughEvery === 0 || clock.now().getTime() - startedAt > hastyMs;
    const look = await Promise.race([lookAt(record, { signal, isThorough }), ended.then(() => null)]);
    const waitedMs = clock.now().getTime() - startedAt;
    if (process.hasEnded()) return { ready: false, trouble: exited(await ended, waitedMs) };
    if (look?.kind === "answers") return { ready: true, hostname: look.hostname };
    if (waitedMs >= timeoutMs) return { ready: false, trouble: troubleOf(look, { record, port, waitedMs }) };
    if (!hasHinted && waitedMs > hintAfterMs) {
      hasHinted = true;
      const soFar = describeTrouble(troubleOf(look, { record, port, waitedMs }), record.spec.kind);
      onProgress(`${soFar}; still waiting, at most ${record.spec.startTimeoutSeconds} s`);
    }
    const delayMs = pollDelays.find(({ untilMs }) => waitedMs < untilMs)?.delayMs ?? slowestPollMs;
    await Promise.race([clock.sleep(delayMs, signal), ended]);
  }
}

function exited(exit: Exit, uptimeMs: number): Trouble {
  return { kind: "exited", exit, uptimeMs, wasMemory: false };
}

function troubleOf(look: Look | null, at: { record: InstanceRecord; port: number; waitedMs: number }): Trouble {
  const { record, port, waitedMs } = at;
  const path = record.spec.health?.path ?? "/";
  if (look?.kind === "unhealthy") return { kind: "unhealthy", path, status: look.status, body: look.body };
  if (look?.kind === "no answer") return { kind: "no answer", port, path, waitedMs };
  return { kind: "silent", port, waitedMs, others: listeningPorts(markerOf(record.id)) };
}

interface Looking {
  readonly signal: AbortSignal;
  readonly isThorough: boolean;
}

async function lookAt({ spec, ports }: InstanceRecord, { signal, isThorough }: Looking): Promise<Look> {
  const port = ports[0]?.actual ?? 0;
  const path = spec.health?.path ?? null;
  const timeoutMs = (spec.health?.timeoutSeconds ?? 5) * 1_000;
  const socket = await listener(port, isThorough);
  if (socket === null) return { kind: "silent" };
  const hostname = socket.remoteFamily === "IPv6" ? "::1" : "127.0.0.1";
  if (spec.health?.protocol === "grpc") {
    socket.destroy();
    return { kind: "answers", hostname };
  }
  return ask({
    socket,
    hostname,
    port,
    path,
    signal,
    timeoutMs: path === null ? Math.min(timeoutMs, heldAnswerMs) : timeoutMs,
  });
}

/** A connection to the program, by the first address that leads to it. */
async function listener(port: number, isThorough: boolean): Promise<Socket | null> {
  const socket = await connected("127.0.0.1", port);
  if (socket || !isThorough) return socket;
  const other = await connected("::1", port);
  if (!other) return null;
  // A program that listens on every address may have begun between the two looks.
  const again = await connected("127.0.0.1", port);
  if (again) other.destroy();
  return again ?? other;
}

function connected(host: string, port: number): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => resolve(socket)).once("error", () => resolve(null));
  });
}

interface Question {
  /** Asked over this one, which it closes: a program that has only just begun takes its time for each. */
  readonly socket: Socket;
  readonly hostname: string;
  readonly port: number;
  readonly path: string | null;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

function ask({ socket, hostname, port, path, timeoutMs, signal }: Question): Promise<Look> {
  return new Promise((resolve) => {
    const attempt = request({
      hostname,
      port,
      path: path ?? "/",
      createConnection: () => socket,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      headers: { "user-agent": "waybill-health", accept: "*/*" },
    });
    attempt.once("response", (response) => {
      const status = response.statusCode ?? 0;
      if (path === null || (status >= 200 && status < 400)) {
        attempt.destroy();
        resolve({ kind: "answers", hostname });
        return;
      }
      let body = "";
      response.on("data", (chunk: Buffer) => {
        if (body.length < maxBodyBytes) body += chunk.toString("utf8");
      });
      response.once("close", () => resolve({ kind: "unhealthy", status, body: body.slice(0, maxBodyBytes) }));
    });
    attempt.on("error", (error: NodeJS.ErrnoException) => {
      const isHeld = error.name === "AbortError" || error.code === "ABORT_ERR" || error.name === "TimeoutError";
      resolve(isHeld && path === null && !signal.aborted ? { kind: "answers", hostname } : { kind: "no answer" });
    });
    attempt.end();
  });
}
