import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb.js";
import type { RunRequest } from "@pulumi/pulumi/proto/language_pb.js";
import type { RegisterResourceOutputsRequest, RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import type { Program } from "../../engine.ts";
import { decodeStruct } from "../../program/registration-request.ts";
import { runProgram } from "../../program/program.ts";
import { Empty } from "../../program/sdk.ts";
import type { Properties } from "../../provider.ts";
import type { Report } from "../../stack/report.ts";
import type { Redaction } from "../../value/redaction.ts";
import { isStackType, makeUrn, typeOf } from "../../value/urn.ts";
import {
  dialEngine,
  dialMonitor,
  languageMessages,
  pluginMessages,
  type Client,
  type Method,
  type Service,
} from "./grpc.ts";

interface LanguageServerParts {
  readonly program: Program;
  readonly config: Readonly<Record<string, string>>;
  readonly secretConfig: readonly string[];
  readonly report: Report;
  readonly redaction: Redaction;
  readonly signal: AbortSignal;
}

export interface LanguageServer {
  readonly service: Service;
  /** Outputs of the stack itself; null when the program did not get that far. */
  outputs(): Properties | null;
  /** Whether the program protects the resource. */
  isProtected(urn: string): boolean;
}

/** `pulumirpc.LanguageRuntime` for one program of this process, run when the CLI says so. */
export function makeLanguageServer(parts: LanguageServerParts): LanguageServer {
  let outputs: Properties | null = null;
  const protects = new Set<string>();
  const heardOf: Overheard = {
    onOutputs: (found) => {
      outputs = found;
    },
    onProtected: (urn) => void protects.add(urn),
  };
  const run: Method<RunRequest> = async (request) => {
    const monitor = dialMonitor(request.getMonitorAddress());
    const engine = dialEngine(request.getArgsList()[0] ?? "");
    try {
      return await runFor(parts, request, {
        monitor: overheard(monitor, { ...parts, ...heardOf, project: request.getProject(), stack: request.getStack() }),
        engine: heard(engine, parts),
      });
    } finally {
      monitor.close();
      engine.close();
    }
  };
  return {
    outputs: () => outputs,
    isProtected: (urn) => protects.has(urn),
    service: {
      run,
      getRequiredPlugins: () => new languageMessages.GetRequiredPluginsResponse(),
      getRequiredPackages: () => new languageMessages.GetRequiredPackagesResponse(),
      getPluginInfo: () => {
        const info = new pluginMessages.PluginInfo();
        info.setVersion("1.0.0");
        return info;
      },
    },
  };
}

interface Clients {
  readonly monitor: object;
  readonly engine: object;
}

async function runFor(parts: LanguageServerParts, request: RunRequest, clients: Clients) {
  const { program, config, secretConfig, signal, report, redaction } = parts;
  const errors: unknown[] = [];
  await runProgram(
    {
      project: request.getProject(),
      stack: request.getStack(),
      organization: request.getOrganization(),
      isPreview: request.getDryrun(),
      config,
      secretConfig,
      clients,
      signal,
      fail: (error) => void errors.push(error),
    },
    program,
  );
  const response = new languageMessages.RunResponse();
  for (const error of errors.filter((each) => !isConsequence(each))) report.failProgram(error);
  if (errors.length > 0) response.setError(redaction.clean(String(errors[0])));
  return response;
}

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html: cancelled, unavailable.
const hungUp: ReadonlySet<unknown> = new Set([1, 14]);

/** The CLI hangs up on the program once a resource has failed; that failure is told by itself. */
const isConsequence = (error: unknown): boolean => error instanceof Error && "code" in error && hungUp.has(error.code);

type Respond = (error: unknown, response?: unknown) => void;
type Send = (request: never, ...rest: readonly unknown[]) => unknown;

/** The same client, with some calls listened to on their way. */
function listening(client: Client, hear: Readonly<Record<string, (request: never) => void>>): object {
  return new Proxy(client, {
    get(target, method) {
      const found: unknown = Reflect.get(target, method);
      if (typeof found !== "function") return found;
      const send = found.bind(target) as Send;
      const listener = typeof method === "string" && Object.hasOwn(hear, method) ? hear[method] : undefined;
      if (!listener) return send;
      return (request: never, ...rest: readonly unknown[]) => {
        listener(request);
        return send(request, ...rest);
      };
    },
  });
}

interface Overheard {
  readonly onOutputs: (outputs: Properties) => void;
  readonly onProtected: (urn: string) => void;
}
interface OverheardParts extends Overheard {
  readonly redaction: Redaction;
  readonly project: string;
  readonly stack: string;
}

function overheard(client: Client, { redaction, onOutputs, onProtected, project, stack }: OverheardParts): object {
  return listening(client, {
    registerResource: (request: RegisterResourceRequest) => {
      const [type, name, parent] = [request.getType(), request.getName(), request.getParent()];
      redaction.learn(decodeStruct(request.getObject(), name));
      if (request.getProtect() === true) onProtected(makeUrn({ project, stack, type, name, parent }));
      // Where in this server's own code a resource was declared is nothing to store.
      request.clearSourceposition();
      request.clearStacktrace();
    },
    registerResourceOutputs: (request: RegisterResourceOutputsRequest) => {
      const outputs = decodeStruct(request.getOutputs(), request.getUrn());
      redaction.learn(outputs);
      if (isStackType(typeOf(request.getUrn()))) onOutputs(outputs);
    },
  });
}

const severities = ["debug", "info", "warning", "error"] as const;

/** The program's log is told here; the CLI hears of errors only, which fail its operation. */
function heard(client: Client, { report, redaction }: LanguageServerParts): object {
  const log = (request: LogRequest, ...rest: readonly unknown[]): void => {
    const message = request.getMessage();
    const severity = severities[request.getSeverity()] ?? "info";
    report.emit({ type: "log", severity, urn: request.getUrn() || null, message });
    if (severity === "error") {
      report.failProgram(new Error(message));
      request.setMessage(redaction.clean(message));
      (client["log"] as Send).call(client, request as never, ...rest);
    } else (rest.at(-1) as Respond)(null, new Empty());
  };
  return new Proxy(client, {
    get: (target, method) => {
      if (method === "log") return log;
      const found: unknown = Reflect.get(target, method);
      return typeof found === "function" ? (found.bind(target) as unknown) : found;
    },
  });
}
