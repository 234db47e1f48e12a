import type { StackName } from "../../../core/stack.ts";
import { parameterFaults } from "../../../runs/parameters/values.ts";
import type { ResolvedJob } from "../../../spec/resolved.ts";
import { stackOf, visibleDeployment } from "../../api/deployments.ts";
import { readForm } from "../../body.ts";
import type { HttpDependencies } from "../../dependencies.ts";
import { isRefusal } from "../../door/refusal.ts";
import { actorOf, seeOther, type Call, type Route } from "../../route.ts";
import type { Form } from "../acts.ts";
import { page } from "../layout.tsx";
import { fixedParameters, formFields, readFields, type Field } from "./fields.ts";
import { maxNameLength, nameInput, QuickRun, timeInput } from "./form.tsx";
import { runPath } from "../runs/rows.tsx";

// As much as the API takes, which is longer in a form's encoding.
const maxFormBytes = 1024 * 1024;
const invalidStatus = 422;

const common = { path: "/deployments/:repository/:environment/:name/run", voice: "page", audience: "member" } as const;

/** Quick Run: the form that a job's parameter schema makes, and what becomes of it. */
export const quickRunRoutes = (dependencies: HttpDependencies): readonly Route[] => [
  {
    ...common,
    method: "GET",
    summary: "The form that runs a job",
    answer: { status: 200, mediaType: "text/html" },
    async handle(call) {
      const asked = await lookAtForm(dependencies, call);
      const initial = new Map(asked.fields.map(({ input, initial: text }) => [input, text]));
      return show(dependencies, asked, { call, shown: (input) => initial.get(input) ?? "" });
    },
  },
  {
    ...common,
    method: "POST",
    summary: "Run a job as its form says",
    answer: { status: 303 },
    async handle(call) {
      const form = await readForm(call.request, maxFormBytes);
      return runAsTyped(dependencies, call, form);
    },
  },
];

interface Asked {
  readonly stack: StackName;
  readonly spec: ResolvedJob;
  readonly fields: readonly Field[];
}

/** The fields as the job has them now, with the values of the run that the address names. */
async function lookAtForm(dependencies: HttpDependencies, call: Call): Promise<Asked> {
  const { runs } = dependencies;
  const stack = stackOf(call);
  await visibleDeployment(dependencies, actorOf(call), stack);
  const { spec } = runs.job(stack).workload;
  const from = call.url.searchParams.get("from");
  if (from === null) return { stack, spec, fields: formFields(spec) };
  const { run } = await runs.run(from);
  return { stack, spec, fields: formFields(spec, { ...spec.parameters.values, ...run.parameters }) };
}

interface Shown {
  readonly call: Call;
  readonly shown: Form;
  readonly faults?: ReadonlyMap<string, string>;
  readonly problems?: readonly string[];
  readonly status?: number;
}

async function show(
  { secrets }: HttpDependencies,
  { stack, spec, fields }: Asked,
  { call, shown, faults = new Map(), problems = [], status = 200 }: Shown,
): Promise<Response> {
  const known = fields.some(({ kind }) => kind === "secret") ? await secrets.list(stack.repository) : [];
  const here = known.filter(({ environment }) => environment === null || environment === stack.environment);
  const names = [...new Set(here.map(({ name }) => name))].sort();
  const action = call.url.pathname + call.url.search;
  const visitor = actorOf(call);
  const props = { visitor, stack, action, fields, fixed: fixedParameters(spec), secrets: names, shown };
  return page(<QuickRun {...props} faults={faults} problems={problems} />, status);
}

async function runAsTyped(dependencies: HttpDependencies, call: Call, form: Form): Promise<Response> {
  const asked = await lookAtForm(dependencies, call);
  const { stack, spec, fields } = asked;
  const { values, faults: unreadable } = readFields(fields, form);
  const at = readTime(form(timeInput));
  const faults = new Map(unreadable);
  if (at === "unreadable") faults.set(timeInput, "This is no time, such as 2026-03-01T12:00.");
  const problems: string[] = [];
  for (const { parameter, message } of parameterFaults(spec, { schedule: null, values })) {
    const field = fields.find((one) => one.parameter === parameter && parameter !== null);
    if (!field) problems.push(message);
    else if (!faults.has(field.input)) faults.set(field.input, message);
  }
  const again = { call, shown: form, faults };
  if (at === "unreadable" || faults.size > 0 || problems.length > 0) {
    return show(dependencies, asked, { ...again, problems, status: invalidStatus });
  }
  try {
    const name = form(nameInput).trim().slice(0, maxNameLength);
    const request = { stack, parameters: values, name, at, callback: null, actor: actorOf(call) };
    return seeOther(runPath((await dependencies.runs.start(request)).id));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return show(dependencies, asked, { ...again, problems: [error.message], status: error.httpStatus });
  }
}

/** What a browser sends of a `datetime-local`, taken as UTC; null for nothing. */
function readTime(text: string): Date | "unreadable" | null {
  if (text === "") return null;
  const time = new Date(`${text}Z`);
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/.test(text) && !Number.isNaN(time.getTime())
    ? time
    : "unreadable";
}
