import { createHash } from "node:crypto";
import { Webhooks } from "@octokit/webhooks";
import type { Clock } from "../core/clock.ts";
import { messageOf, WaybillError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { isName, repositoryName, type RepositoryName } from "../core/names.ts";
import type { Secret } from "../core/secret.ts";
import { makeSlots } from "../core/waiting/slots.ts";
import { busyWith } from "./busy.ts";
import { readBody } from "./bounded-body.ts";
import type { Delivery, DeliveryStore, Look } from "./delivery.ts";
import { makeLooker } from "./looker.ts";

export interface WebhookIntake {
  /**
   * Verifies and stores a delivery, then answers; what follows happens afterwards. Throws WEBHOOK_UNSIGNED,
   * BODY_TOO_LARGE, REQUEST_INVALID and BUSY. A delivery that came before is taken again, without effect.
   */
  receive(request: Request, repository: string): Promise<{ readonly status: 202; readonly isRepeated: boolean }>;
  /** Takes up what an earlier process stored and did not finish. */
  processPending(): Promise<void>;
  /** Stops looking; what is not finished stays stored. */
  close(): Promise<void>;
}

export interface WebhookIntakeOptions {
  readonly deliveries: DeliveryStore;
  /** All secrets that are valid now: more than one while a secret is being changed; none: no webhook is expected. */
  readonly secretFor: (repository: RepositoryName) => Promise<readonly Secret[]>;
  readonly look: Look;
  readonly log: Log;
  readonly clock: Clock;
}

interface Headers {
  readonly id: string;
  readonly event: string;
  readonly signature: string;
}

// GitHub caps payloads at 25 MB; those of pushes that people make are below 1 MB. What is larger arrives by polling.
const limits = { maxBytes: 5 * 1024 * 1024, timeoutMs: 10_000 };
// Bodies are read before their sender is known: this times the limit is the memory that a stranger can take.
const maxConcurrent = 8;
const maxWaiting = 200;

export function makeWebhookIntake({ deliveries, secretFor, look, log, clock }: WebhookIntakeOptions): WebhookIntake {
  const slots = makeSlots({
    running: maxConcurrent,
    waiting: { most: maxWaiting, refusal: busyWith("webhook deliveries") },
  });
  const looker = makeLooker({ look: (name) => look(name, "webhook"), deliveries, log, clock });

  async function verify(request: Request, repository: string, { signature }: Headers): Promise<string> {
    const secrets = isName(repository) ? await secretFor(repositoryName(repository)) : [];
    if (secrets.length === 0) throw unsigned();
    return slots.run(async () => {
      const body = await readBody(request, limits);
      for (const text of signedTexts(request, body)) {
        for (const secret of secrets) {
          if (await new Webhooks({ secret: secret.reveal() }).verify(text, signature)) return digestOf(body);
        }
      }
      throw unsigned();
    });
  }

  return {
    async receive(request, repository) {
      const headers = readHeaders(request);
      const bodyDigest = await verify(request, repository, headers);
      const { id, event } = headers;
      const name = repositoryName(repository);
      const delivery: Delivery = { repository: name, id, event, receivedAt: clock.now(), bodyDigest };
      const isNew = await deliveries.add(delivery);
      log.info({ repository, delivery: id, event, isRepeated: !isNew }, "webhook received");
      if (isNew) take(delivery);
      return { status: 202, isRepeated: !isNew };
    },
    async processPending() {
      for (const delivery of await deliveries.pending()) take(delivery);
    },
    close: () => looker.close(),
  };

  function take(delivery: Delivery): void {
    if (delivery.event !== "ping") return looker.add(delivery);
    // GitHub sends it when a webhook is made, to see that somebody answers.
    deliveries.markProcessed([delivery], clock.now()).catch((error: unknown) => {
      log.warn({ repository: delivery.repository, error: messageOf(error) }, "marking a ping failed");
    });
  }
}

const contentTypes = ["application/json", "application/x-www-form-urlencoded"];

/** Gitea and Forgejo send GitHub's header names beside their own. SHA-1 signatures are not taken. */
function readHeaders({ headers }: Request): Headers {
  const id = headers.get("x-github-delivery") ?? "";
  const event = headers.get("x-github-event") ?? "";
  const signature = headers.get("x-hub-signature-256") ?? "";
  if (!/^[\w-]{1,100}$/.test(id)) throw invalid("X-GitHub-Delivery must be an id of up to 100 letters and digits");
  if (!/^[a-z_]{1,50}$/.test(event)) throw invalid("X-GitHub-Event must name an event, such as push");
  if (!contentTypes.includes(typeOf(headers))) throw invalid(`Content-Type must be ${contentTypes.join(" or ")}`);
  if (!/^sha256=[0-9a-f]{64}$/.test(signature)) throw unsigned();
  return { id, event, signature };
}

const typeOf = (headers: Request["headers"]): string =>
  headers.get("content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";

/** What a sender may have signed: the body, and of a form also the payload in it, which is what Gitea signs. */
function signedTexts({ headers }: Request, body: Uint8Array): string[] {
  const text = Buffer.from(body).toString("utf8");
  const isForm = typeOf(headers) === "application/x-www-form-urlencoded";
  const payload = isForm ? (new URLSearchParams(text).get("payload") ?? "") : "";
  return [text, payload].filter((candidate) => candidate !== "");
}

const digestOf = (body: Uint8Array): string => createHash("sha256").update(body).digest("hex");

const invalid = (message: string): WaybillError => new WaybillError("REQUEST_INVALID", message);

/** One answer for an unknown repository, a missing signature and a wrong one: names are not to be guessed here. */
const unsigned = (): WaybillError =>
  new WaybillError(
    "WEBHOOK_UNSIGNED",
    "X-Hub-Signature-256 does not match this repository's webhook secret. Set the same secret on both sides.",
  );
