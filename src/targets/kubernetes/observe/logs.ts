import { createInterface } from "node:readline";
import type { StackName } from "../../../core/stack.ts";
import { stackKey } from "../../../core/stack.ts";
import type { Log } from "../../../core/log.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import { wanted } from "../../log-filter.ts";
import type { LogRequest } from "../../target.ts";
import type { LogLine } from "../../workload.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { PodObject } from "./pods.ts";
import type { ClusterStatus } from "./status.ts";

interface Dependencies {
  readonly cluster: Pick<Cluster, "stream">;
  readonly status: Pick<ClusterStatus, "pods" | "onPods">;
  readonly log: Log;
}

interface Container {
  readonly pod: Pick<PodObject, "metadata">;
  readonly name: string;
  readonly restarts: number;
}

/** What a stack's pods say, also their containers that ended, as one stream. */
export async function* readLogs(
  parts: Dependencies,
  stack: StackName,
  { lines, follow, signal, pod, ...reading }: LogRequest,
): AsyncIterable<LogLine> {
  const podsOf = (): readonly PodObject[] => chosen(parts.status.pods(stack), pod);
  if (pod !== undefined && podsOf().length === 0) throw unknownPod(pod, parts.status.pods(stack));
  const known = containersOf(podsOf());
  const newest = await newestOf(parts, known, { ...reading, lines, signal });
  yield* newest;
  const { text, since } = reading;
  const isWanted = wanted({ ...(text !== undefined && { text }), ...(since && { since }) });
  const last = newest.at(-1)?.at ?? null;
  if (follow) yield* followed(parts, stack, { since: last, known, podsOf, isWanted, signal });
}

/** The last lines of these pods, for whoever has no time to read more. */
export const lastLinesOf = (
  parts: Pick<Dependencies, "cluster">,
  pods: readonly PodObject[],
  reading: Pick<Reading, "lines" | "signal">,
): Promise<readonly LogLine[]> => newestOf(parts, containersOf(pods), reading);

const chosen = (pods: readonly PodObject[], name: string | undefined): readonly PodObject[] =>
  name === undefined
    ? pods
    : pods.filter(({ metadata }) => metadata.name === name || metadata.name.endsWith(`-${name}`));

function unknownPod(name: string, pods: readonly PodObject[]): WaybillError {
  const known = pods.map(({ metadata }) => metadata.name).join(", ");
  return new WaybillError(
    "NOT_FOUND",
    `it has no pod ${JSON.stringify(name)}${known === "" ? ", and no other" : `: there are ${known}`}`,
  );
}

/** With what brings the source last, since it says something only when it fails. */
const containersOf = (pods: readonly PodObject[]): readonly Container[] =>
  pods.flatMap((pod) =>
    [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
      .filter(({ state, lastState }) => state?.waiting === undefined || lastState?.terminated !== undefined)
      .map(({ name, restartCount }) => ({ pod, name, restarts: restartCount })),
  );

type Reading = Pick<LogRequest, "lines" | "signal" | "text" | "since" | "previous">;

async function newestOf(
  parts: Pick<Dependencies, "cluster">,
  containers: readonly Container[],
  reading: Reading,
): Promise<readonly LogLine[]> {
  if (reading.lines === 0) return [];
  const tails = await Promise.all(containers.map((container) => tailOf(parts, container, reading)));
  return tails
    .flat()
    .toSorted((a, b) => a.at.localeCompare(b.at))
    .slice(-reading.lines);
}

// Of what is searched, no more than this is held at once.
const searchSlack = 1_000;

async function tailOf(
  parts: Pick<Dependencies, "cluster">,
  container: Container,
  { lines, signal, previous = false, ...filter }: Reading,
): Promise<readonly LogLine[]> {
  const { text, since } = filter;
  const isWanted = wanted({ ...(text !== undefined && { text }), ...(since && { since }) });
  const query = {
    // What is searched for may be far from the end.
    ...(text === undefined && { tailLines: String(lines) }),
    ...(since && { sinceTime: since.toISOString() }),
  };
  const read = async (more: Record<string, string>): Promise<readonly LogLine[]> => {
    let found: LogLine[] = [];
    for await (const line of linesOf(parts, container, { query: { ...query, ...more }, signal })) {
      if (isWanted(line)) found.push(line);
      if (found.length > lines + searchSlack) found = found.slice(-lines);
    }
    return found;
  };
  const before = container.restarts > 0 ? await read({ previous: "true" }) : [];
  return previous ? before : [...before, ...(await read({}))];
}

interface Following {
  readonly since: string | null;
  readonly known: readonly Container[];
  readonly podsOf: () => readonly PodObject[];
  readonly isWanted: (line: LogLine) => boolean;
  readonly signal: AbortSignal;
}

/** Each container is read as long as it runs; those that come are read from their beginning. */
async function* followed(
  parts: Dependencies,
  stack: StackName,
  { since, known, podsOf, isWanted, signal }: Following,
): AsyncGenerator<LogLine> {
  const { status, log } = parts;
  const buffer: LogLine[] = [];
  let wake = (): void => undefined;
  const seen = new Set<string>();
  const first = new Set(known.map(idOf));
  const begin = (container: Container): void => {
    const id = idOf(container);
    if (seen.has(id)) return;
    seen.add(id);
    const isKnown = first.has(id) && since !== null;
    const query = { follow: "true", ...(isKnown && { sinceTime: since }) };
    void (async () => {
      for await (const line of linesOf(parts, container, { query, signal })) {
        // `sinceTime` counts whole seconds: what was shown is told again.
        if ((isKnown && line.at <= since) || !isWanted(line)) continue;
        buffer.push(line);
        wake();
      }
    })().catch((error: unknown) => log.debug({ error: messageOf(error) }, "a log could not be followed"));
  };
  const look = (): void => {
    for (const container of containersOf(podsOf())) begin(container);
  };
  const stop = status.onPods((touched) => {
    if (stackKey(touched) === stackKey(stack)) look();
  });
  const wakeNow = (): void => wake();
  signal.addEventListener("abort", wakeNow);
  try {
    look();
    while (!signal.aborted) {
      const line = buffer.shift();
      if (line) yield line;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    stop();
    signal.removeEventListener("abort", wakeNow);
  }
}

/** One start of one container. */
const idOf = ({ pod, name, restarts }: Container): string => `${pod.metadata.uid} ${name} ${restarts}`;

interface Query {
  readonly query: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

// What the kubelet puts before each line: RFC 3339 with nanoseconds.
const stamped = /^(\d{4}-\d\d-\d\dT[\d:]+)(\.\d+)?Z (.*)$/s;

/** What one container says. It ends without lines where the container is gone, or has yet to begin. */
export async function* linesOf(
  { cluster }: Pick<Dependencies, "cluster">,
  { pod, name }: Pick<Container, "pod" | "name">,
  { query, signal }: Query,
): AsyncGenerator<LogLine> {
  const { namespace = "", name: podName } = pod.metadata;
  const search = new URLSearchParams({ container: name, timestamps: "true", ...query });
  const path = `/api/v1/namespaces/${namespace}/pods/${podName}/log?${search.toString()}`;
  // A container that is gone, or has said nothing yet, has no lines.
  const response = await cluster.stream(path, signal).catch(() => null);
  if (response === null) return;
  try {
    for await (const text of createInterface({ input: response, crlfDelay: Infinity })) {
      const [, time, fraction = ".000", rest] = stamped.exec(text) ?? [];
      if (time === undefined || rest === undefined) continue;
      yield { at: `${time}${fraction.padEnd(10, "0")}Z`, stream: "stdout", text: rest, pod: podName };
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    response.destroy();
  }
}
