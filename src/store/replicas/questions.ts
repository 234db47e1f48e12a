import { sql, type ColumnType, type Generated } from "kysely";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { Answer, Question, QuestionBook } from "../../gateway/control/question.ts";
import type { Database } from "../database.ts";
import { followNotifications } from "../notifications.ts";

export interface QuestionSchema {
  gateways: { id: string; seen_at: Generated<Date> };
  gateway_questions: {
    id: Generated<number>;
    action: Question["action"];
    body: ColumnType<Record<string, unknown>, string>;
    asked_at: Generated<Date>;
  };
  gateway_answers: { question: number; gateway: string; in_flight: number };
}

const seenEveryMs = 2_000;
const isThere = sql<boolean>`gateways.seen_at > now() - interval '10 seconds'`;
const isOld = sql<boolean>`asked_at < now() - interval '1 minute'`;

export function makeQuestionBook(db: Database): QuestionBook {
  return {
    async ask({ action, body }) {
      const { id } = await db
        .insertInto("gateway_questions")
        .values({ action, body: JSON.stringify(body) })
        .returning("id")
        .executeTakeFirstOrThrow();
      return id;
    },
    async answers(question) {
      return db
        .selectFrom("gateways")
        .leftJoin("gateway_answers", (join) =>
          join.onRef("gateway_answers.gateway", "=", "gateways.id").on("gateway_answers.question", "=", question),
        )
        .where(isThere)
        .select([
          sql<number>`count(*) filter (where in_flight is null)::integer`.as("silent"),
          sql<number>`coalesce(sum(in_flight), 0)::integer`.as("inFlight"),
        ])
        .executeTakeFirstOrThrow();
    },
    async withdraw(question) {
      await db
        .deleteFrom("gateway_questions")
        .where((by) => by.or([by("id", "=", question), isOld]))
        .execute();
      await db
        .deleteFrom("gateways")
        .where((by) => by.not(isThere))
        .execute();
    },
  };
}

interface Answering {
  readonly url: string;
  readonly db: Database;
  /** Tells this gateway process from all others. */
  readonly id: string;
  readonly answer: Answer;
  readonly log: Log;
}

/** Says that this gateway is there; from then on it is asked. */
export const sayHere = async (db: Database, id: string): Promise<void> => {
  await db
    .insertInto("gateways")
    .values({ id })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ seen_at: sql<Date>`now()` }))
    .execute();
};

/** Answers what this gateway is asked until the signal aborts; then it is not asked any more. */
export async function answerQuestions({ url, db, id, answer, log }: Answering, signal: AbortSignal): Promise<void> {
  const begun = new Set<number>();

  async function answerOpen(): Promise<void> {
    const open = await db
      .selectFrom("gateway_questions")
      .select(["id", "action", "body"])
      .where((by) => by.not(isOld))
      .where("id", "not in", db.selectFrom("gateway_answers").select("question").where("gateway", "=", id))
      .execute();
    for (const question of open) if (!begun.has(question.id)) void answerOne(question);
  }

  async function answerOne(question: Question): Promise<void> {
    begun.add(question.id);
    try {
      const inFlight = await answer(question, signal);
      await db
        .insertInto("gateway_answers")
        .values({ question: question.id, gateway: id, in_flight: inFlight })
        .execute();
    } catch (error) {
      // It may have been withdrawn. Whoever asks takes silence for an answer, too.
      log.debug({ question: question.id, error: messageOf(error) }, "a question was not answered");
    } finally {
      begun.delete(question.id);
    }
  }

  const look = (): void =>
    void answerOpen().catch((error: unknown) => log.warn({ error: messageOf(error) }, "questions could not be read"));
  const seen = setInterval(() => {
    sayHere(db, id).catch((error: unknown) => log.debug({ error: messageOf(error) }, "PostgreSQL is away"));
  }, seenEveryMs).unref();
  try {
    await followNotifications(
      { url, channel: "waybill_questions", log },
      { onConnected: answerOpen, onNotification: look },
      signal,
    );
  } finally {
    clearInterval(seen);
    await db
      .deleteFrom("gateways")
      .where("id", "=", id)
      .execute()
      .catch(() => undefined);
  }
}
