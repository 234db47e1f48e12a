import type { Schema } from "./build.ts";
import { field, list, map, object } from "./build.ts";
import { text } from "./patterns.ts";

const values: Schema = { type: "object" };

const schedule = object(
  {
    name: field("Its name within the job.", ["nightly"], text("name")),
    description: field("What it is for.", ["After the warehouse is filled"], { type: "string", maxLength: 2000 }),
    cron: field(
      "When: five fields of a cron expression, six with seconds before them, or @hourly, @daily, @weekly, @monthly, @yearly.",
      ["0 2 * * *"],
      { ...text("visible"), maxLength: 200 },
    ),
    dayOr: field(
      "Where `cron` has a day of the month and a day of the week: either will do (the default), or both must fit.",
      [false],
      { type: "boolean" },
    ),
    interval: field("When: every so often, as an ISO 8601 duration.", ["PT15M"], text("isoDuration")),
    rrule: field(
      "When: a recurrence rule of RFC 5545, section 3.3.10; or lines with RRULE:, RDATE:, EXRULE: and EXDATE: before them.",
      ["FREQ=MONTHLY;BYMONTHDAY=-1"],
      { type: "string", minLength: 1, maxLength: 4000 },
    ),
    anchor: field(
      "The point in time that `interval` and `rrule` count from; 1970-01-01T00:00:00Z by default.",
      ["2026-01-01T00:00:00Z"],
      { type: "string" },
    ),
    timezone: field(
      "The IANA time zone of `cron`, of `rrule` and of intervals from a day on; UTC by default.",
      ["Europe/Berlin"],
      { type: "string", maxLength: 100 },
    ),
    startAt: field("Starts no run before this point in time.", ["2026-01-01T00:00:00Z"], { type: "string" }),
    endAt: field("Starts no run after this point in time.", ["2026-12-31T23:59:59Z"], { type: "string" }),
    jitter: field(
      "Starts each run up to so much later, the same for the same time; 0s by default.",
      ["5m"],
      text("duration"),
    ),
    parameters: field("Laid over the job's `parameters.values` for its runs.", [{ epochs: 10 }], values),
    catchUp: field(
      "Times missed while the server was down: run for the `latest` (the default), for `all`, or `skip` them.",
      ["latest"],
      { enum: ["latest", "all", "skip"] },
    ),
    catchUpLimit: field("With `all`: for so many of them, the newest; 100 by default.", [10], {
      type: "integer",
      minimum: 1,
      maximum: 1000,
    }),
    catchUpMaxAge: field(
      "Times longer ago than this are not caught up with; 7d by default.",
      ["24h"],
      text("duration"),
    ),
    active: field("Starts runs; true by default.", [false], { type: "boolean" }),
  },
  ["name"],
);

const follow = object(
  {
    job: field("The job whose runs it follows, in the same repository and environment.", ["extract"], text("name")),
    state: field("How that run is to end, or a list of ways; `completed` by default.", [["failed", "timed-out"]], {
      ...text("ended"),
      type: ["string", "array"],
      items: field("One way to end.", ["failed"], text("ended")),
      minItems: 1,
      uniqueItems: true,
    }),
    delay: field("How long after that; 0s by default.", ["5m"], text("duration")),
    parameters: field("Laid over the job's `parameters.values` for these runs.", [{ full: true }], values),
    name: field("What it is called within the job; the other job's name by default.", ["cleanup"], text("name")),
  },
  ["job"],
);

const event = object(
  {
    name: field("The event's name, which is part of the address that is told of it.", ["order-placed"], text("name")),
    parameters: field(
      "Where in the event's body, as a JSON pointer, a parameter finds its value. What is not there keeps the value of `parameters.values`.",
      [{ order: "/data/id" }],
      {
        ...map(field("A place in the body.", ["/data/id"], { ...text("jsonPointer"), maxLength: 1000 })),
        maxProperties: 100,
      },
    ),
  },
  ["name"],
);
const kept = (states: string, example: number): Schema =>
  field(`So many that are ${states}; 1,000 by default.`, [example], { type: "integer", minimum: 1, maximum: 100_000 });

export const jobFields: Readonly<Record<string, Schema>> = {
  parameters: field(
    "What runs can be given.",
    [{ schema: { type: "object", properties: { epochs: { type: "integer", minimum: 1 } } }, values: { epochs: 3 } }],
    object({
      schema: field(
        "JSON Schema 2020-12 of the values. The dashboard makes a form of it.",
        [{ type: "object", properties: { epochs: { type: "integer", minimum: 1 } }, additionalProperties: false }],
        { type: "object" },
      ),
      values: field(
        "The values of a run that is given none. A program reads WAYBILL_PARAMETERS (JSON) or WAYBILL_PARAM_NAME.",
        [{ epochs: 3 }],
        values,
      ),
    }),
  ),
  schedules: field(
    "When runs start by themselves.",
    [[{ name: "nightly", cron: "0 2 * * *", timezone: "Europe/Berlin" }]],
    list(field("One schedule: `cron`, `interval` or `rrule`.", [{ name: "pulse", interval: "PT15M" }], schedule), {
      maxItems: 100,
    }),
  ),
  after: field(
    "Starts a run after each run of another job that ends in a certain way. One, or a list.",
    [{ job: "extract", state: "completed", delay: "5m" }],
    {
      ...follow,
      type: ["object", "array"],
      items: field("One job to follow.", [{ job: "extract" }], follow),
      minItems: 1,
      maxItems: 50,
    },
  ),
  events: field(
    "Starts a run for each event that somebody else tells, signed (`waybill event NAME`).",
    [[{ name: "order-placed", parameters: { order: "/data/id" } }]],
    list(field("One event.", [{ name: "order-placed" }], event), { maxItems: 50 }),
  ),
  concurrency: field(
    "How many runs of this job may go on at once. Without it, as many as are started.",
    [{ limit: 1, whenFull: "queue" }],
    object({
      limit: field("At most so many; 1 by default.", [1], { type: "integer", minimum: 1, maximum: 10_000 }),
      whenFull: field(
        "A run too many waits (`queue`, the default), is dropped (`skip`), or ends the oldest (`cancel-running`).",
        ["queue"],
        { enum: ["queue", "skip", "cancel-running"] },
      ),
      shared: field(
        "Limits by name that this environment's jobs have in common: so many runs of all that name it. Without `limit`, only these.",
        [{ database: 3 }],
        {
          ...map(field("At most so many.", [3], { type: "integer", minimum: 1, maximum: 10_000 }), text("name")),
          maxProperties: 20,
        },
      ),
    }),
  ),
  retries: field(
    "What happens to a run that fails.",
    [{ limit: 2, delay: "30s" }],
    object({
      limit: field("How often it is tried again; 0 by default.", [2], { type: "integer", minimum: 0, maximum: 100 }),
      delay: field(
        "How long to wait before; 0s by default. A list says it for each, and its last for the rest.",
        ["30s"],
        {
          ...text("duration"),
          type: ["string", "array"],
          items: field("How long to wait before this one.", ["1m"], text("duration")),
          minItems: 1,
          maxItems: 100,
        },
      ),
      jitter: field(
        "Up to this part of the delay comes on top, by chance, so that many do not come back at once; 0 by default.",
        [0.2],
        { type: "number", minimum: 0, maximum: 10 },
      ),
      backoff: field(
        "`fixed` (the default): always `delay`; `exponential`: twice as long each time.",
        ["exponential"],
        {
          enum: ["fixed", "exponential"],
        },
      ),
    }),
  ),
  history: field(
    "What is kept of runs that ended: their page, log, result and files. The oldest go first.",
    [{ completed: 50, failed: 100, maxAge: "30d" }],
    object({
      completed: kept("Completed", 50),
      failed: kept("Failed, TimedOut or Crashed", 100),
      cancelled: kept("Cancelled", 20),
      maxAge: field("None that ended longer ago; without it, however long ago.", ["30d"], text("duration")),
    }),
  ),
  timeout: field("How long a run may take; without it, as long as it needs.", ["2h"], text("duration")),
};

export const siteFields: Readonly<Record<string, Schema>> = {
  folder: field("The folder to publish, from the working folder on; `.` by default.", ["dist"], {
    ...text("visible"),
    maxLength: 1000,
  }),
  spa: field("Answer paths that are not there with index.html; false by default.", [true], { type: "boolean" }),
};
