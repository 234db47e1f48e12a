import { request } from "node:http";
import type { Log } from "../../core/log.ts";
import { messageOf } from "../../core/errors.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { Traffic } from "../../targets/route.ts";
import type { Endpoint } from "../mirror.ts";
import type { Quiet } from "../../targets/sleep/keeper.ts";
import { readStates, type GatewayState } from "./state-file.ts";

export interface GatewayStatus {
  readonly pid: number;
  readonly version: string;
  readonly isDraining: boolean;
  readonly inFlight: number;
  /** Where it sends what is for the server itself; null before it has heard of one. */
  readonly leadsTo: Endpoint | null;
  /** How many requests wait for what sleeps. */
  readonly parked: number;
}

export interface News {
  /** Resolves once every gateway goes by the stack's routes as they are now: `hosts`, and no others. Never rejects. */
  told(stack: StackName, hosts: readonly string[]): Promise<void>;
}

export interface CallOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const answerTimeoutMs = 3_000;

/** Asks a gateway for something over its control channel; throws where it does not answer with success. */
export function call<Answer>(
  { controlPort, controlSecret }: GatewayState,
  action: "status" | "settings" | "drained" | "quiet" | "told" | "takeover" | "stop",
  body: object = {},
  { timeoutMs = answerTimeoutMs, signal }: CallOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const payload = JSON.stringify(body);
    const outgoing = request({
      host: "127.0.0.1",
      port: controlPort,
      path: `/${action}`,
      method: "POST",
      agent: false,
      headers: { authorization: `Bearer ${controlSecret}`, "content-length": Buffer.byteLength(payload) },
      signal: signal ? AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) : AbortSignal.timeout(timeoutMs),
    });
    outgoing.once("error", reject);
    outgoing.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.once("error", reject);
      response.once("end", () => {
        if (response.statusCode === 200) resolve(JSON.parse(text) as Answer);
        else reject(new Error(`the gateway answered ${response.statusCode} to ${action}: ${text.slice(0, 500)}`));
      });
    });
    outgoing.end(payload);
  });
}

/** Null for a gateway that is no longer there, or does not answer in time. */
export const statusOf = (state: GatewayState, timeoutMs = answerTimeoutMs): Promise<GatewayStatus | null> =>
  call<GatewayStatus>(state, "status", {}, { timeoutMs }).then(
    (status) => (status.pid === state.pid ? status : null),
    () => null,
  );

/** Asks every gateway of the data folder: during an upgrade the old one still has requests under way. */
export function makeTraffic({ dataFolder, log }: { dataFolder: string; log: Log }): Traffic & Quiet & News {
  return {
    async told(stack, hosts) {
      const tell = (state: GatewayState): Promise<unknown> =>
        call(state, "told", { ...stack, hosts }).catch((error: unknown) =>
          log.debug({ pid: state.pid, error: messageOf(error) }, "a gateway was not told of changed routes"),
        );
      await Promise.all(readStates(dataFolder).map(tell));
    },
    async quiet(stack, options) {
      const states = readStates(dataFolder);
      const counts = await Promise.all(states.map((state) => quietAt(state, stack, options)));
      const inFlight = counts.reduce((sum, count) => sum + count, 0);
      log.debug({ stack: stackKey(stack), inFlight }, "asked whether a deployment is quiet");
      return inFlight;
    },
    async drained(upstream, { timeoutMs, signal }) {
      const counts = await Promise.all(
        readStates(dataFolder).map(async (state) => {
          try {
            const options = { timeoutMs: timeoutMs + answerTimeoutMs, signal };
            const { inFlight } = await call<{ inFlight: number }>(
              state,
              "drained",
              { ...upstream, timeoutMs },
              options,
            );
            return inFlight;
          } catch (error) {
            signal.throwIfAborted();
            // A gateway that is gone has nothing under way.
            log.debug({ pid: state.pid, error: messageOf(error) }, "a gateway did not say whether an address is idle");
            return 0;
          }
        }),
      );
      return counts.reduce((sum, count) => sum + count, 0);
    },
  };
}

/** A gateway that is there and does not say is taken to be busy. */
async function quietAt(
  state: GatewayState,
  stack: StackName,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<number> {
  try {
    const options = { timeoutMs: timeoutMs + answerTimeoutMs, signal };
    return (await call<{ inFlight: number }>(state, "quiet", { ...stack, timeoutMs }, options)).inFlight;
  } catch {
    signal.throwIfAborted();
    return (await statusOf(state)) === null ? 0 : 1;
  }
}
