import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Quiet } from "../../targets/sleep/keeper.ts";
import type { Traffic } from "../../targets/route.ts";
import type { News } from "./client.ts";
import type { Action } from "./server.ts";

/** What every gateway is asked, wherever it runs. */
export interface Question {
  readonly id: number;
  readonly action: "drained" | "quiet" | "told";
  readonly body: Record<string, unknown>;
}

/** Asks all gateways of a database. */
export interface QuestionBook {
  ask(question: Omit<Question, "id">): Promise<number>;
  /** `silent`: how many gateways that are there have not answered; `inFlight`: what the others have under way. */
  answers(question: number): Promise<{ readonly silent: number; readonly inFlight: number }>;
  /** Forgets the question, and those that a server which is gone has left. */
  withdraw(question: number): Promise<void>;
}

/** How many requests a gateway has under way. */
export type Answer = (question: Question, signal: AbortSignal) => Promise<number>;

interface Parts {
  readonly book: QuestionBook;
  readonly clock: Clock;
  readonly log: Log;
}

const lookMs = 50;
// A gateway answers when its own time is over, and its answer takes a moment.
const answerTimeMs = 3_000;

/** A gateway that is there and does not say is taken to be busy. */
export function makeAskedTraffic({ book, clock, log }: Parts): Traffic & Quiet & News {
  async function count(question: Omit<Question, "id">, timeoutMs: number, signal: AbortSignal): Promise<number> {
    const id = await book.ask({ ...question, body: { ...question.body, timeoutMs } });
    const endsAtMs = performance.now() + timeoutMs + answerTimeMs;
    try {
      for (;;) {
        const { silent, inFlight } = await book.answers(id);
        const isLate = performance.now() > endsAtMs;
        if (silent > 0 && isLate) log.warn({ ...question, silent }, "gateways did not answer");
        if (silent === 0 || isLate) return inFlight + silent;
        await clock.sleep(lookMs, signal);
      }
    } finally {
      await book.withdraw(id);
    }
  }
  return {
    quiet: (stack, { timeoutMs, signal }) => count({ action: "quiet", body: { ...stack } }, timeoutMs, signal),
    drained: (upstream, { timeoutMs, signal }) =>
      count({ action: "drained", body: { ...upstream } }, timeoutMs, signal),
    async told(stack, hosts) {
      await count({ action: "told", body: { ...stack, hosts } }, 0, new AbortController().signal).catch(
        (error: unknown) => log.debug({ error: messageOf(error) }, "gateways were not told of changed routes"),
      );
    },
  };
}

/** Answers as the control channel does. */
export function makeAnswer(actions: Readonly<Record<Question["action"], Action>>): Answer {
  return async ({ action, body }, signal) => {
    const { inFlight = 0 } = (await actions[action](body, signal)) as { readonly inFlight?: number };
    return inFlight;
  };
}
