import { randomUUID } from "node:crypto";
import type { StackName } from "../../core/stack.ts";
import type { Preview, Program, ProgramOptions, UpResult } from "../engine.ts";
import { throwFailure, shown, summary } from "../apply.ts";
import { pulumiProject, pulumiStack } from "../state.ts";
import { makeReport, type Report } from "../stack/report.ts";
import type { EngineEvent } from "../step.ts";
import { makeRedaction, type Redaction } from "../value/redaction.ts";
import { openEffectBook, type EffectBook } from "./effect-book.ts";
import { makeEventLog, type EventLog } from "./events.ts";
import { breakLock } from "./process/lock.ts";
import type { CliParts } from "./parts.ts";
import { bookOf, repair } from "./repair.ts";
import { reportRefusals } from "./refusal.ts";
import { languageRuntime, resourceProvider, serve, type GrpcServer, type Service } from "./serve/grpc.ts";
import { makeLanguageServer } from "./serve/language-server.ts";
import { makeGuard } from "./serve/provider-call.ts";
import { makeProviderServer } from "./serve/provider-server.ts";
import { commandFailed, stackNotFoundStatus } from "./process/stack-commands.ts";

export interface CliOperation {
  readonly kind: "up" | "preview" | "destroy" | "refresh";
  readonly stack: StackName;
  /** Absent: the state alone is worked on. */
  readonly program?: Program;
  readonly options: ProgramOptions;
}

const argsOf = {
  up: ["up", "--yes", "--skip-preview", "--json"],
  preview: ["preview", "--json"],
  // One that will not go keeps what it depends on, and nothing else.
  destroy: ["destroy", "--yes", "--skip-preview", "--json", "--remove", "--continue-on-error"],
  refresh: ["refresh", "--yes", "--skip-preview", "--json"],
} as const;

const defaultParallel = 16;

interface Running {
  readonly report: Report;
  readonly redaction: Redaction;
  readonly signal: AbortSignal;
  readonly events: EventLog;
  readonly book: EffectBook;
}

/** Null: there is no such stack. */
export async function runOperation(
  parts: CliParts,
  operation: CliOperation,
  isRetry = false,
): Promise<UpResult | null> {
  const { kind, stack, options } = operation;
  if (kind !== "preview") await repair(parts, stack, options);
  const signal = options.signal ?? new AbortController().signal;
  const redaction = knowing(options);
  const report = makeReport(redaction, (event) => tell(parts, operation, event));
  const place = { project: pulumiProject(stack), stack: pulumiStack(stack) };
  throwFailure({ signal, report, ...place });
  const events = makeEventLog(kind === "refresh" ? "refresh" : "apply");
  const book = openBook(parts, operation);
  const running = { report, redaction, signal, events, book };
  const { result, language } = await withServers(parts, operation, running);
  // Killed, it may not have stored what it did.
  if (result.status === null) book.stop();
  else book.close();
  if (result.status === stackNotFoundStatus) return null;
  if (result.status !== 0 && !signal.aborted && !report.hasFailures()) {
    if (!isRetry && (await breakLock(parts.commands, stack, { result }))) return runOperation(parts, operation, true);
    const isProtected = (urn: string): boolean => events.isProtected(urn) || language?.isProtected(urn) === true;
    reportRefusals({ events, isProtected, report });
  }
  for (const { urn, op, detailedDiff } of events.steps()) report.step(urn, op, detailedDiff);
  throwFailure({ signal, report, ...place });
  if (result.status !== 0) throw commandFailed(stack, [kind], { ...result, stderr: redaction.clean(result.stderr) });
  const shownOutputs = Object.entries(language?.outputs() ?? {}).map(([key, value]) => [key, shown(value)] as const);
  return { ...summary({ report }), outputs: Object.fromEntries(shownOutputs) };
}

/** Serves the program and the providers for as long as the CLI runs. */
async function withServers(parts: CliParts, operation: CliOperation, running: Running) {
  const { stack, program, options } = operation;
  const { config = {}, secretConfig = [] } = options;
  const language = program && makeLanguageServer({ ...running, program, config, secretConfig });
  const opened: GrpcServer[] = [];
  const open = async (definition: object, service: Service): Promise<number> => {
    const server = await serve(definition, service);
    opened.push(server);
    return server.port;
  };
  try {
    const attached: string[] = [];
    for (const [name, provider] of Object.entries(parts.providers)) {
      const server = { provider, effects: running.book, operation: providerOperation(parts, operation, running) };
      attached.push(`${name}:${await open(resourceProvider, makeProviderServer(server))}`);
    }
    const client = language ? await open(languageRuntime, language.service) : null;
    const result = await parts.commands.run(stack, argsFor(operation, client), {
      env: { PULUMI_DEBUG_PROVIDERS: attached.join(","), PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "true" },
      signal: running.signal,
      onStart: (pid) => running.book.carriedBy(pid, parts.clock.now()),
      onLine: (line) => running.events.read(line),
    });
    return { result, language };
  } finally {
    for (const server of opened) server.close();
  }
}

function argsFor({ kind, options }: CliOperation, clientPort: number | null): readonly string[] {
  const args = [...argsOf[kind], "--parallel", String(options.parallel ?? defaultParallel)];
  return clientPort === null ? args : [...args, `--client=127.0.0.1:${clientPort}`, "--exec-kind", "auto.inline"];
}

function providerOperation({ clock }: CliParts, { kind }: CliOperation, running: Running) {
  const { report, redaction, signal, book } = running;
  const guarded = makeGuard(report, redaction, signal);
  return { report, redaction, signal, clock, guarded, createKey: book.createKey, isPreview: kind === "preview" };
}

const noBook: EffectBook = {
  createKey: "preview",
  carriedBy: () => undefined,
  during: (_, make) => make(),
  stop: () => undefined,
  close: () => undefined,
};

function openBook(parts: CliParts, { kind, stack }: CliOperation): EffectBook {
  return kind === "preview" ? noBook : openEffectBook(bookOf(parts, stack), `create ${randomUUID()}`);
}

function knowing({ config = {}, secretConfig = [] }: ProgramOptions): Redaction {
  const redaction = makeRedaction();
  for (const key of secretConfig) redaction.learnText(config[key] ?? "");
  return redaction;
}

function tell({ log }: CliParts, { stack, options }: CliOperation, event: EngineEvent): void {
  if (event.type === "log") log.debug({ stack, urn: event.urn, text: event.message }, "a program logged");
  options.onEvent?.(event);
}

export const withoutOutputs = ({ steps, changes }: Preview): Preview => ({ steps, changes });
