import { randomUUID } from "node:crypto";
import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Log } from "../../core/log.ts";
import { messageOf } from "../../core/errors.ts";
import type { Answer } from "../../gateway/control/question.ts";
import type { Change, Mirror, StateSource } from "../../gateway/mirror.ts";
import { followNotifications } from "../notifications.ts";
import { answerQuestions, sayHere } from "../replicas/questions.ts";
import { makeGatewaySource } from "../routes.ts";
import type { Schema } from "../schema.ts";

/** The gateway's own connections: it outlives the database server, which may come back at another address. */
export interface GatewayDatabase {
  source(): StateSource;
  /**
   * Keeps the mirror up to date from now on; resolves after the first time that everything was read. With `answer`, it
   * says that this gateway is there, and answers what servers ask of all gateways.
   */
  follow(mirror: Mirror, answer?: Answer): Promise<void>;
  moveTo(url: string): void;
  close(): Promise<void>;
}

interface Connection {
  readonly url: string;
  readonly db: Kysely<Schema>;
  readonly source: StateSource;
  readonly ended: AbortController;
  answering: Promise<void>;
}

const channel = "waybill_gateway";
const maxConnections = 3;
const connectTimeoutMs = 3_000;
const queryTimeoutMs = 10_000;

/** Connects when first asked to; a database that is away is no error here. */
export function makeGatewayDatabase(url: string, log: Log): GatewayDatabase {
  let connection = connect(url);
  const id = randomUUID();
  let mirror: Mirror | null = null;
  let answer: Answer | undefined;
  let firstLoad = (): void => undefined;

  function follow(current: Connection): Promise<void> {
    const into = mirror;
    if (into === null) return Promise.resolve();
    const { db, ended } = current;
    if (answer) current.answering = answerQuestions({ url: current.url, db, id, answer, log }, ended.signal);
    return followNotifications(
      { url: current.url, channel, log },
      {
        async onConnected() {
          // Before it sends anything anywhere: whoever asks all gateways must know of this one.
          if (answer) await sayHere(current.db, id);
          await into.load();
          log.info({}, "routes and credentials read");
          firstLoad();
        },
        onNotification(payload) {
          const change = changeOf(payload);
          if (change) into.changed(change);
        },
      },
      ended.signal,
    );
  }

  async function end({ ended, db, answering }: Connection): Promise<void> {
    ended.abort();
    await answering;
    await db.destroy().catch((error: unknown) => log.debug({ error: messageOf(error) }, "connections not closed"));
  }

  return {
    source: () => connection.source,
    follow(into, answerTo) {
      mirror = into;
      answer = answerTo;
      const loaded = new Promise<void>((resolve) => {
        firstLoad = resolve;
      });
      void follow(connection);
      return loaded;
    },
    moveTo(next) {
      if (next === connection.url) return;
      const old = connection;
      connection = connect(next);
      void end(old);
      void follow(connection);
    },
    close: () => end(connection),
  };
}

function connect(url: string): Connection {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
  });
  // An idle connection that the server ends must not end this process; the next query reconnects.
  pool.on("error", () => undefined);
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) });
  return { url, db, source: makeGatewaySource(db), ended: new AbortController(), answering: Promise.resolve() };
}

function changeOf(payload: string): Change | null {
  try {
    return JSON.parse(payload) as Change;
  } catch {
    return null;
  }
}
