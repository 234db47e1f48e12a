import { randomUUID } from "node:crypto";
import type { WaybillError } from "../../core/errors.ts";
import type { StackName } from "../../core/stack.ts";
import type { Preview, Program, ProgramOptions, UpResult } from "../engine.ts";
import { throwFailure, shown, summary } from "../apply.ts";
import { pulumiProject, pulumiStack, scopeOf } from "../state.ts";
import { makeReport, type Report } from "../stack/report.ts";
import type { EngineEvent } from "../step.ts";
import { makeRedaction, type Redaction } from "../value/redaction.ts";
import { openEffectBook, type EffectBook } from "./effect-book.ts";
import type { CliParts } from "./engine.ts";
import { makeEventLog, type EventLog } from "./events.ts";
import { languageRuntime, resourceProvider, serve } from "./serve/grpc.ts";
import { makeLanguageServer } from "./serve/language-server.ts";
import { makeGuard } from "./serve/provider-call.ts";
import { makeProviderServer } from "./serve/provider-server.ts";
import { commandFailed, stackNotFoundStatus } from "./stack-commands.ts";
import type { CommandResult } from "./command.ts";

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
  destroy: ["destroy", "--yes", "--skip-preview", "--json", "--remove"],
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
export async function runOperation(parts: CliParts, operation: CliOperation): Promise<UpResult | null> {
  const { kind, stack, options } = operation;
  const signal = options.signal ?? new AbortController().signal;
  const redaction = knowing(options);
  const report = makeReport(redaction, (event) => tell(parts, operation, event));
  const events = makeEventLog(kind === "refresh" ? "refresh" : "apply");
  const book = openBook(parts, operation);
  const running = { report, redaction, signal, events, book };
  const { result, outputs } = await withServers(parts, operation, running);
  if (result.status === stackNotFoundStatus) {
    book.close();
    return null;
  }
  if (result.status !== null) book.close();
  for (const { urn, op, detailedDiff } of events.steps()) report.step(urn, op, detailedDiff);
  throwFailure({ signal, report, project: pulumiProject(stack), stack: pulumiStack(stack) });
  if (result.status !== 0) throw unreported(operation, running, result);
  const shownOutputs = Object.entries(outputs ?? {}).map(([key, value]) => [key, shown(value)] as const);
  return { ...summary({ report }), outputs: Object.fromEntries(shownOutputs) };
}

/** Serves the program and the providers for as long as the CLI runs. */
async function withServers(parts: CliParts, operation: CliOperation, running: Running) {
  const { kind, stack, program, options } = operation;
  const { config = {}, secretConfig = [] } = options;
  await using servers = new AsyncDisposableStack();
  const attached: string[] = [];
  for (const [name, provider] of Object.entries(parts.providers)) {
    const service = makeProviderServer({
      provider,
      effects: running.book,
      operation: providerOperation(parts, operation, running),
    });
    const server = servers.use(await serve(resourceProvider, service));
    attached.push(`${name}:${server.port}`);
  }
  const args: string[] = [...argsOf[kind], "--parallel", String(options.parallel ?? defaultParallel)];
  const language = program && makeLanguageServer({ ...running, program, config, secretConfig });
  if (language) {
    const server = servers.use(await serve(languageRuntime, language.service));
    args.push(`--client=127.0.0.1:${server.port}`, "--exec-kind", "auto.inline");
  }
  const result = await parts.commands.run(stack, args, {
    env: { PULUMI_DEBUG_PROVIDERS: attached.join(","), PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "true" },
    signal: running.signal,
    onLine: (line) => running.events.read(line),
  });
  return { result, outputs: language?.outputs() ?? null };
}

function providerOperation({ clock }: CliParts, { kind }: CliOperation, running: Running) {
  const { report, redaction, signal, book } = running;
  const guarded = makeGuard(report, redaction, signal);
  return { report, redaction, signal, clock, guarded, createKey: book.createKey, isPreview: kind === "preview" };
}

function openBook({ commands, secrets }: CliParts, { kind, stack }: CliOperation): EffectBook {
  const createKey = `create ${randomUUID()}`;
  if (kind === "preview") return { createKey, during: (_, make) => make(), close: () => undefined };
  return openEffectBook({ file: commands.folder(stack).bookFile, scope: scopeOf(stack), secrets }, createKey);
}

/** The CLI refused by itself: neither a provider nor the program said anything. */
function unreported(
  { stack, kind }: CliOperation,
  { events, redaction }: Running,
  result: CommandResult,
): WaybillError {
  const said = events.errors().map(({ message }) => redaction.clean(message.trim()));
  const stderr = said.length > 0 ? said.join("\n") : redaction.clean(result.stderr);
  return commandFailed(stack, [kind], { ...result, stderr });
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
