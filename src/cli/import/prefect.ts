import { compact, imageSource, makeNames, variablesOf, type Draft } from "./draft.ts";
import { scheduleOf } from "./prefect-schedule.ts";
import { isMap, mapsOf, type Place, type Reading } from "./reading.ts";

const steps = "steps are not run: `build` is a shell command of the deployment, and the source is its repository";

/**
 * Deployments of Prefect as jobs: prefect.yaml (3, and late 2), deployment.yaml (2), and the lists, maps and documents
 * that its first betas (Orion) took.
 */
export function readPrefect(documents: readonly unknown[], placeOf: (document: number) => Place): readonly Draft[] {
  const nameOf = makeNames();
  return documents.flatMap((document, index) =>
    mapsOf(document, placeOf(index)).flatMap((reading) =>
      reading.has("deployments") ? deploymentsOf(reading, nameOf) : [jobOf(reading, nameOf)],
    ),
  );
}

/** prefect.yaml: what stands beside the deployments is for all of them. */
function deploymentsOf(reading: Reading, nameOf: Names): readonly Draft[] {
  for (const key of ["build", "push", "pull"]) reading.drop(key, steps);
  for (const key of ["name", "prefect-version", "definitions"]) reading.take(key);
  const drafts = reading.list("deployments").map((deployment) => jobOf(deployment, nameOf));
  reading.rest();
  return drafts;
}

type Names = ReturnType<typeof makeNames>;

function jobOf(reading: Reading, nameOf: Names): Draft {
  const flow = reading.text("flow_name");
  const wanted = reading.text("name") ?? flow ?? "flow";
  const name = nameOf(wanted, reading, reading.has("name") ? "name" : "flow_name");
  const settings = infrastructureOf(reading);
  const fields = compact({
    kind: "job",
    description: reading.text("description"),
    tags: tagsOf(reading),
    state: reading.flag("paused") === true ? "paused" : undefined,
    source: settings.source,
    command: commandOf(reading, flow),
    env: settings.env,
    secrets: settings.secrets,
    parameters: parametersOf(reading),
    schedules: schedulesOf(reading),
    concurrency: concurrencyOf(reading),
  });
  reading.drop("version", "a deployed commit has a snapshot's number, and its tag");
  reading.drop("version_type", "a deployed commit has a snapshot's number, and its tag");
  reading.drop("triggers", "runs that follow other things are not carried over: see `after` of jobs");
  reading.drop("sla", "Waybill has no agreements about service levels");
  for (const key of ["build", "push", "pull"]) reading.drop(key, steps);
  for (const key of ["timestamp", "manifest_path", "id", "created", "updated"]) reading.take(key);
  reading.rest();
  return { name, fields };
}

/** Each tag is a key here; what cannot be one is noted. */
function tagsOf(reading: Reading): Readonly<Record<string, boolean>> | undefined {
  const tags = reading.take("tags");
  if (tags === undefined) return undefined;
  if (!Array.isArray(tags)) {
    reading.note("not carried over: a template; write tags", "tags");
    return undefined;
  }
  return Object.fromEntries(tags.map((tag) => [String(tag), true]));
}

/** Runs the flow by Prefect's own package, with the run's parameters; no shell sees their values. */
function commandOf(reading: Reading, flow: string | undefined): string {
  const path = reading.text("path");
  if (path !== undefined && path !== ".") {
    reading.note(`write workingDir where ${path} is not the repository's root`, "path");
  }
  const entrypoint = reading.text("entrypoint") ?? locationOf(reading, flow);
  if (entrypoint === undefined) {
    reading.note("it names no flow: write the command by hand");
    return "python -c 'raise SystemExit(\"which flow is to run was not to be seen in its Prefect file\")'";
  }
  const load = "from prefect.flows import load_flow_from_entrypoint as load";
  const parameters = 'json.loads(os.environ["WAYBILL_PARAMETERS"])';
  const call = `ran = load(${inShell(JSON.stringify(entrypoint))})(**${parameters})`;
  // What an async flow answers has not begun.
  const finish = "asyncio.run(ran) if asyncio.iscoroutine(ran) else None";
  return `python -c 'import asyncio, json, os; ${load}; ${call}; ${finish}'`;
}

/** As it stands within single quotes. */
const inShell = (text: string): string => text.replaceAll("'", "'\\''");

/** The first betas had the file, and the flow's name. */
function locationOf(reading: Reading, flow: string | undefined): string | undefined {
  const location = reading.text("flow_location");
  if (location === undefined || location.includes(":")) return location;
  const called = (flow ?? "main").replaceAll("-", "_");
  reading.note(`the function is taken to be called ${called}: correct it in the command`, "flow_location");
  return `${location}:${called}`;
}

function parametersOf(reading: Reading): Readonly<Record<string, unknown>> | undefined {
  const schema = reading.take("parameter_openapi_schema");
  const values = reading.take("parameters");
  if (reading.flag("enforce_parameter_schema") === false && schema !== undefined) {
    reading.note("not carried over: parameters always fit their schema", "enforce_parameter_schema");
  }
  if (values !== undefined && JSON.stringify(values).includes("{{")) {
    reading.note("templates are not filled in: write the values, or take secrets", "parameters");
  }
  if (schema === undefined && values === undefined) return undefined;
  return compact({ schema: isMap(schema) ? plainSchema(schema) : undefined, values });
}

const ofNames = ["properties", "definitions", "$defs"];
const ofSchemas = ["items", "allOf", "anyOf", "oneOf", "additionalProperties"];

/** `position` is Prefect's own, and a keyword that is null says nothing: neither is JSON Schema. */
function plainSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(plainSchema);
  if (!isMap(schema)) return schema;
  const kept = Object.entries(schema).filter(
    ([key, value]) => key !== "position" && (value !== null || key === "default" || key === "const"),
  );
  return Object.fromEntries(
    kept.map(([key, value]) => {
      if (ofSchemas.includes(key)) return [key, plainSchema(value)];
      if (!ofNames.includes(key) || !isMap(value)) return [key, value];
      return [key, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plainSchema(each)]))];
    }),
  );
}

function schedulesOf(reading: Reading): readonly unknown[] | undefined {
  const single = reading.map("schedule");
  const isActive = reading.flag("is_schedule_active") !== false;
  const found = [...(single ? [single] : []), ...reading.list("schedules")];
  const names = new Set<string>();
  const schedules = found.flatMap((each, index) => {
    const fallback = found.length === 1 ? "schedule" : `schedule-${index + 1}`;
    const schedule = scheduleOf(each, fallback);
    if (schedule === null) return [];
    const name = names.has(String(schedule["name"])) ? fallback : String(schedule["name"]);
    names.add(name);
    return [{ ...schedule, name, ...(!isActive && { active: false }) }];
  });
  return schedules.length === 0 ? undefined : schedules;
}

const whenFull: Readonly<Record<string, string>> = {
  ENQUEUE: "queue",
  CANCEL_NEW: "skip",
  CANCEL_RUNNING: "cancel-running",
};

function concurrencyOf(reading: Reading): Readonly<Record<string, unknown>> | undefined {
  if (typeof reading.take("concurrency_limit") === "number") return { limit: reading.number("concurrency_limit") };
  const given = reading.map("concurrency_limit");
  if (!given) return undefined;
  given.drop("grace_period_seconds", "a slot is free when its run has ended");
  const strategy = given.text("collision_strategy");
  const known = strategy === undefined ? undefined : whenFull[strategy];
  if (strategy !== undefined && known === undefined) {
    given.note(`not carried over: ${strategy}: write concurrency.whenFull`, "collision_strategy");
  }
  return compact({ limit: given.number("limit"), whenFull: known });
}

interface SecretVariable {
  readonly name: string;
  readonly env: string;
}

interface Infrastructure {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly secrets?: readonly SecretVariable[] | undefined;
  readonly source?: { readonly image: string } | undefined;
}

const pool = "where it runs is the environment's target; its size is the deployment's `size`";
const queue = "queues are concurrency limits of jobs";

/** Where Prefect says what a run runs in: variables and an image are carried over, the rest is noted. */
function infrastructureOf(reading: Reading): Infrastructure {
  const workPool = reading.map("work_pool");
  workPool?.drop("name", pool);
  workPool?.drop("work_queue_name", queue);
  for (const key of ["work_pool_name", "infrastructure_document_id", "flow_runner"]) reading.drop(key, pool);
  reading.drop("work_queue_name", queue);
  for (const key of ["storage", "storage_document_id", "flow_storage"])
    reading.drop(key, "the source is the repository");
  const variables = [workPool?.map("job_variables"), reading.map("job_variables"), reading.map("infra_overrides")];
  const found = [...variables, reading.map("infrastructure")].flatMap((each) => (each ? [variablesIn(each)] : []));
  const env = Object.assign({}, ...found.map((each) => each.env ?? {})) as Readonly<Record<string, string>>;
  const secrets = found.flatMap((each) => each.secrets ?? []);
  return {
    ...(Object.keys(env).length > 0 && { env }),
    secrets: secrets.length === 0 ? undefined : secrets,
    source: found.map(({ source }) => source).find((source) => source !== undefined),
  };
}

/** `env: {A: b}`, or `env.A: b`. */
function variablesIn(reading: Reading): Infrastructure {
  const dotted = reading.keys().filter((key) => key.startsWith("env."));
  const given = {
    ...Object.fromEntries(dotted.map((key) => [key.slice("env.".length), String(reading.take(key))])),
    ...variablesOf(reading.map("env")),
  };
  const keyOf = (name: string): string => (dotted.includes(`env.${name}`) ? `env.${name}` : "env");
  const source = imageSource(reading.text("image"), reading, "image");
  for (const key of ["cpu", "memory"]) reading.drop(key, "write size");
  for (const key of ["type", "_block_type_slug", "block_type_slug"]) reading.drop(key, pool);
  const plain = Object.entries(given).filter(([, value]) => !value.includes("{{"));
  const secrets = Object.entries(given).flatMap(([name, value]) => secretIn(name, value, reading, keyOf(name)));
  return { env: Object.fromEntries(plain), secrets, source };
}

const secretBlock = /^\s*\{\{\s*prefect\.blocks\.secret\.([a-z0-9][a-z0-9-]*)\s*\}\}\s*$/;

/** Of a variable whose value is a template: the secret that it names, else a note. */
function secretIn(env: string, value: string, reading: Reading, key: string): readonly SecretVariable[] {
  if (!value.includes("{{")) return [];
  const [, name] = secretBlock.exec(value) ?? [];
  if (name === undefined) {
    reading.note(`not carried over: ${env} is the template ${value}: write its value, or take a secret`, key);
    return [];
  }
  reading.note(`${env} is a secret now, whose value has to be set: waybill secret set ${name}`, key);
  return [{ name, env }];
}
