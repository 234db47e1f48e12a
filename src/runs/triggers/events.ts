import { randomBytes } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { messageOf, WaybillError } from "../../core/errors.ts";
import type { Identity } from "../../core/identity.ts";
import type { Log } from "../../core/log.ts";
import { isName } from "../../core/names.ts";
import type { Secret } from "../../core/secret.ts";
import { keepableText } from "../../core/text.ts";
import { makeSlots } from "../../core/waiting/slots.ts";
import { readBody } from "../../intake/bounded-body.ts";
import { busyWith } from "../../intake/busy.ts";
import { candidateOf, type Candidate } from "../dispatch/admission.ts";
import type { JobBook } from "../job-book.ts";
import type { RunOrigin, Run } from "../run.ts";
import type { Job, RunStore } from "../store.ts";
import { eventVerdict } from "./event.ts";
import { eventKey, isSigned, readEventHeaders } from "./event-signature.ts";
import type {
  EventAddress,
  EventDelivery,
  EventKey,
  EventOutcome,
  EventStore,
  SettledDelivery,
} from "./event-store.ts";
import { makeSweep } from "./sweep.ts";

export interface EventDetail extends EventAddress {
  /** The jobs that it starts. */
  readonly jobs: readonly string[];
  readonly keys: readonly Omit<EventKey, "key">[];
  /** The newest. */
  readonly deliveries: readonly SettledDelivery[];
}

/** Events that others tell, each signed by its sender, and the runs that they start. */
export interface Events {
  /**
   * Verifies and stores an event, then answers; runs start afterwards. Throws WEBHOOK_UNSIGNED, WEBHOOK_STALE,
   * BODY_TOO_LARGE, REQUEST_INVALID, CONFLICT and BUSY. One that came before is taken again, without effect.
   */
  receive(request: Request, address: EventAddress): Promise<{ readonly isRepeated: boolean }>;
  /** Throws NOT_FOUND for an event that starts no job and never did. */
  event(address: EventAddress): Promise<EventDetail>;
  /** A new key, which is told this once. The one before stays valid until it is ended, or another takes its place. */
  newKey(address: EventAddress, actor: Identity): Promise<Secret>;
  endFormerKeys(address: EventAddress): Promise<void>;
}

interface EventsParts {
  readonly store: EventStore;
  readonly runs: Pick<RunStore, "caused">;
  readonly jobs: Pick<JobBook, "all">;
  readonly accept: (candidates: readonly Candidate[]) => Promise<readonly Run[]>;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

// Of what is in it, at most 100 KiB become parameters.
const limits = { maxBytes: 256 * 1024, timeoutMs: 10_000 };
// Bodies are read before their sender is known: this times the limit is the memory that a stranger can take.
const maxConcurrent = 16;
const maxWaiting = 200;
const maxAtOnce = 100;
// Some seconds apart: what fails so often while others do not, fails for good.
const maxLooks = 5;
const shownDeliveries = 20;
const keyBytes = 32;

export function makeEvents(parts: EventsParts) {
  const { store, clock, log } = parts;
  const slots = makeSlots({ running: maxConcurrent, waiting: { most: maxWaiting, refusal: busyWith("events") } });

  const pass = makePass(parts);
  const sweep = makeSweep({ pass, failure: "events could not be looked at; they are again", clock, log });
  const events: Events = {
    async receive(request, address) {
      const headers = readEventHeaders(request, clock.now());
      const keys = isAddress(address) ? (await store.keys(address)).map(({ key }) => key) : [];
      if (keys.length === 0) throw unsigned();
      const body = await slots.run(() => readBody(request, limits));
      if (!isSigned(headers, body, keys)) throw unsigned();
      const added = await store.add({ address, id: headers.id, receivedAt: clock.now(), body });
      if (added === "other") {
        throw new WaybillError(
          "CONFLICT",
          `webhook-id ${headers.id} was used for another body: give each event its own`,
        );
      }
      log.info({ ...address, delivery: headers.id, isRepeated: added === "repeated" }, "event received");
      sweep.wake();
      return { isRepeated: added === "repeated" };
    },
    async event(address) {
      if (!isAddress(address)) throw unknown(address);
      const jobs = jobsOf(parts, address).map(({ stack }) => stack.deployment);
      const [keys, deliveries] = await Promise.all([store.keys(address), store.deliveries(address, shownDeliveries)]);
      if (jobs.length === 0 && keys.length === 0) throw unknown(address);
      return { ...address, jobs, keys: keys.map(({ by, at }) => ({ by, at })), deliveries };
    },
    async newKey(address, actor) {
      if (jobsOf(parts, address).length === 0) throw unknown(address);
      const key = eventKey(randomBytes(keyBytes));
      await store.addKey(address, { by: actor.name, at: clock.now(), key });
      return key;
    },
    async endFormerKeys(address) {
      if (!isAddress(address)) throw unknown(address);
      await store.endFormerKeys(address);
    },
  };
  return { events, run: sweep.run };
}

/** Looks at all that was told and not looked at. One that fails keeps no other waiting, and is given up in the end. */
function makePass(parts: EventsParts): () => Promise<void> {
  const { store, clock } = parts;
  const failures = new Map<string, number>();

  async function look(delivery: EventDelivery): Promise<void> {
    const key = `${Object.values(delivery.address).join("/")} ${delivery.id}`;
    const before = failures.get(key) ?? 0;
    try {
      await store.settle(delivery, await startAll(parts, delivery, before + 1 >= maxLooks), clock.now());
      failures.delete(key);
    } catch (error) {
      failures.set(key, before + 1);
      throw error;
    }
  }

  return async () => {
    for (;;) {
      const pending = await store.pending(maxAtOnce);
      const failed: unknown[] = [];
      for (const delivery of pending) await look(delivery).catch((error: unknown) => failed.push(error));
      if (failed.length > 0) throw failed[0];
      if (pending.length < maxAtOnce) return;
    }
  };
}

const isAddress = ({ repository, environment, event }: EventAddress): boolean =>
  [repository, environment, event].every(isName);

const unknown = ({ environment, event }: EventAddress): WaybillError =>
  new WaybillError(
    "NOT_FOUND",
    `no job of ${environment} starts at the event ${JSON.stringify(event.slice(0, 60))}: name it in a job's "events", and deploy it`,
  );

/** One answer for an unknown address, a missing signature and a wrong one: names are not to be guessed here. */
const unsigned = (): WaybillError =>
  new WaybillError(
    "WEBHOOK_UNSIGNED",
    "webhook-signature does not match a key of this event: sign ID.TIMESTAMP.BODY with the one that waybill event shows",
  );

const jobsOf = (
  { jobs }: Pick<EventsParts, "jobs">,
  { repository, environment, event }: EventAddress,
): readonly Job[] =>
  jobs
    .all()
    .filter(({ stack }) => stack.repository === repository && stack.environment === environment)
    .filter(({ workload }) => (workload.spec.events ?? []).some(({ name }) => name === event));

async function startAll(
  parts: EventsParts,
  delivery: EventDelivery,
  isLastLook: boolean,
): Promise<readonly EventOutcome[]> {
  const jobs = jobsOf(parts, delivery.address);
  if (jobs.length === 0) return [{ job: null, run: null, problem: "no job starts at this event" }];
  return Promise.all(
    jobs.map((job) =>
      start(parts, job, delivery).catch((error: unknown): EventOutcome => {
        if (!isLastLook) throw error;
        const problem = `it could not be looked at, ${maxLooks} times: ${keepableText(messageOf(error))}`;
        return { job: job.stack.deployment, run: null, problem };
      }),
    ),
  );
}

async function start(parts: EventsParts, job: Job, { address, id, body }: EventDelivery): Promise<EventOutcome> {
  const { accept, runs, newId, clock } = parts;
  const name = job.stack.deployment;
  const event = (job.workload.spec.events ?? []).find((one) => one.name === address.event);
  if (!event) return { job: name, run: null, problem: "it does not start at this event any more" };
  const verdict = eventVerdict(job, event, body);
  if (verdict.kind === "refuse") return { job: name, run: null, problem: verdict.problem };
  const origin: RunOrigin = { by: "event", event: address.event, delivery: id };
  const [accepted] = await accept([
    candidateOf(job, { id: newId(), origin, parameters: verdict.parameters, acceptedAt: clock.now() }),
  ]);
  // One that a server before this one accepted is there.
  const run = accepted ?? (await runs.caused(job.stack, origin));
  return { job: name, run: run?.id ?? null, problem: null };
}
