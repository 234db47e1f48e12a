import { messageOf } from "../../core/errors.ts";
import { makeSlots } from "../../core/waiting/slots.ts";
import type { Problem } from "../../spec/problem.ts";
import type { Deployer, Preview } from "../deployer.ts";
import type { Change } from "../plan.ts";
import type { EnvironmentRef } from "../release.ts";
import type { Definition } from "./definition.ts";
import { inStoredOrder } from "./stored-order.ts";
import { desiredOf, nothingAround, type Surroundings } from "./workloads.ts";

/** A plan's changes with what their target says of them. */
export interface Previewed {
  readonly changes: readonly Change[];
  readonly notices: readonly string[];
  /** What the target would surely refuse. */
  readonly problems: readonly Problem[];
}

export type Previews = (environment: EnvironmentRef, asked: Asked) => Promise<Previewed>;

interface Asked {
  readonly definitions: ReadonlyMap<string, Definition>;
  readonly changes: readonly Change[];
  /** Read only where a target is asked. */
  readonly surroundings: () => Promise<Surroundings>;
}

interface PreviewParts {
  readonly deployer: Pick<Deployer, "preview">;
  /** How long all of a plan's questions may take. */
  readonly limitMs?: number;
}

// Whoever pushes waits for the answers.
const defaultLimitMs = 5_000;
const maxAsked = 20;
const atOnce = 8;

/** Asks targets what they would make of a plan's changes. A target that does not answer holds nothing up for long. */
export function makePreviews({ deployer, limitMs = defaultLimitMs }: PreviewParts): Previews {
  /** What waits for something else, such as a secret, is not asked about yet. */
  function questionOf({ repository, environment }: EnvironmentRef, definition: Definition, around: Surroundings) {
    const { workload, blocked } = desiredOf(
      { repository, environment, deployment: definition.name },
      definition,
      around,
    );
    if (workload === null || (blocked !== null && around !== nothingAround)) return null;
    // What is applied was read from the database: the revisions that are asked about must be those.
    return deployer.preview?.(inStoredOrder(workload)) ?? null;
  }

  return async (ref, { definitions, changes, surroundings }) => {
    const wanted = changes.flatMap(({ name, action }) => {
      const definition = action === "delete" || action === "unchanged" ? undefined : definitions.get(name);
      return definition && questionOf(ref, definition, nothingAround) ? [definition] : [];
    });
    if (wanted.length === 0) return { changes, notices: [], problems: [] };
    const around = await surroundings();
    const slots = makeSlots({ running: atOnce });
    const signal = AbortSignal.timeout(limitMs);
    const answers = await Promise.all(
      wanted.slice(0, maxAsked).map(async (definition): Promise<Answer> => {
        const ask = questionOf(ref, definition, around);
        return { definition, ...(ask && (await slots.run(() => answerOf(ask, signal)))) };
      }),
    );
    return combined(changes, answers, wanted.slice(maxAsked));
  };
}

interface Answer {
  readonly definition: Definition;
  readonly preview?: Preview;
  /** Why there is none. */
  readonly failure?: string;
}

async function answerOf(
  ask: (signal: AbortSignal) => Promise<Preview>,
  signal: AbortSignal,
): Promise<Pick<Answer, "preview" | "failure">> {
  const late = new Promise<never>((_, reject) => {
    const end = (): void => reject(new Error("it did not answer in time"));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
  try {
    return { preview: await Promise.race([ask(signal), late]) };
  } catch (error) {
    return { failure: signal.aborted ? "it did not answer in time" : messageOf(error) };
  }
}

function combined(changes: readonly Change[], answers: readonly Answer[], rest: readonly Definition[]): Previewed {
  const objects = new Map(answers.map(({ definition, preview }) => [definition.name, preview?.objects ?? []]));
  const failures = Map.groupBy(
    answers.filter(({ failure }) => failure !== undefined),
    ({ failure }) => failure ?? "",
  );
  return {
    changes: changes.map((change) => {
      const found = objects.get(change.name) ?? [];
      return found.length === 0 ? change : { ...change, objects: found };
    }),
    notices: [
      ...answers.flatMap(({ definition, preview }) =>
        (preview?.notices ?? []).map((notice) => `${definition.name}: ${notice}`),
      ),
      ...[...failures].map(
        ([failure, lacking]) =>
          `the target could not be asked about ${listed(lacking.map(({ definition }) => definition))}: ${failure}`,
      ),
      ...(rest.length === 0 ? [] : [`the target was not asked about ${listed(rest)}: that would take too long`]),
    ],
    problems: answers.flatMap(({ definition, preview }) =>
      typeof preview?.refusal === "string" ? [refused(definition, preview.refusal)] : [],
    ),
  };
}

const maxListed = 5;

function listed(definitions: readonly Definition[]): string {
  const names = definitions.slice(0, maxListed).map(({ name }) => name);
  const more = definitions.length - names.length;
  return `${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

const refused = ({ position, target }: Definition, message: string): Problem => ({
  ...position,
  column: 1,
  code: "TARGET_REFUSED",
  message: `target "${target}" would refuse it: ${message}`,
});
