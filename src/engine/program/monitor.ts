import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb.js";
import type {
  RegisterResourceOutputsRequest,
  RegisterResourceRequest,
  ResourceInvokeRequest,
  SupportsFeatureRequest,
} from "@pulumi/pulumi/proto/resource_pb.js";
import { messageOf } from "../../core/errors.ts";
import type { CheckFailure, Properties } from "../provider.ts";
import type { Deployment } from "../stack/deployment.ts";
import type { Invoke } from "../stack/invocation.ts";
import type { Registered } from "../stack/registration.ts";
import type { EngineEvent } from "../step.ts";
import { decodeRegistration, decodeStruct, refuse, unsupported } from "./registration-request.ts";
import { Empty, engineMessages, providerMessages, resourceMessages, Struct } from "./sdk.ts";

// A handler answers a response or a promise of one; what it throws is the call's error.
type Handler<Request> = (request: Request) => unknown;
type Service = Readonly<Record<string, Handler<never>>>;
type Callback = (error: unknown, response?: unknown) => void;

export interface MonitorDependencies {
  readonly deployment: Deployment;
  readonly invoke: Invoke;
  readonly emit: (event: EngineEvent) => void;
  /** Notes an error that belongs to the program as a whole. */
  readonly fail: (error: unknown) => void;
  readonly redact: (text: string) => string;
}

// What the SDK may rely on; asked for anything else it says by itself what is missing.
const servedFeatures: ReadonlySet<string> = new Set(["secrets", "aliasSpecs"]);

/** `pulumirpc.ResourceMonitor`: what a program's resources and functions call. */
export function monitorService({ deployment, invoke, fail }: MonitorDependencies): Service {
  return {
    supportsFeature: (request: SupportsFeatureRequest) => {
      const response = new resourceMessages.SupportsFeatureResponse();
      response.setHassupport(servedFeatures.has(request.getId()));
      return response;
    },
    registerResource: async (request: RegisterResourceRequest) => {
      const identity = { type: request.getType(), name: request.getName(), parent: request.getParent() };
      return registered(await deployment.register(identity, () => decodeRegistration(request)));
    },
    registerResourceOutputs: (request: RegisterResourceOutputsRequest) => {
      deployment.registerOutputs(request.getUrn(), decodeStruct(request.getOutputs(), request.getUrn()));
      return new Empty();
    },
    invoke: async (request: ResourceInvokeRequest) => {
      const token = request.getTok();
      refuse(token, { "parameterized packages": request.getPackageref() !== "" });
      const { result, failures = [] } = await invoke({
        token,
        args: decodeStruct(request.getArgs(), token),
        provider: request.getProvider(),
        version: request.getVersion(),
      });
      const response = new providerMessages.InvokeResponse();
      response.setReturn(struct(result));
      response.setFailuresList(failures.map(checkFailure));
      return response;
    },
    // Removed resources go after the program has ended, without it.
    signalAndWaitForShutdown: () => new Empty(),
    ...refused(fail, {
      call: "methods of resources (Call)",
      readResource: "resources that exist elsewhere (ReadResource: the static get, StackReference)",
      registerStackTransform: "stack transforms",
      registerStackInvokeTransform: "invoke transforms",
      registerResourceHook: "resource hooks",
      registerErrorHook: "error hooks",
      registerPackage: "parameterized packages",
      getDeploymentInfo: "deployment info",
    }),
  };
}

const severities: readonly (EngineEvent & { type: "log" })["severity"][] = ["debug", "info", "warning", "error"];

/** `pulumirpc.Engine`: the program's log, and its root. */
export function engineService({ emit, fail }: MonitorDependencies): Service {
  let rootUrn = "";
  return {
    log: (request: LogRequest) => {
      const message = request.getMessage();
      const severity = severities[request.getSeverity()] ?? "info";
      emit({ type: "log", severity, urn: request.getUrn() || null, message });
      // As with the CLI, an error that a program logs fails its apply.
      if (severity === "error") fail(new Error(message));
      return new Empty();
    },
    getRootResource: () => {
      const response = new engineMessages.GetRootResourceResponse();
      response.setUrn(rootUrn);
      return response;
    },
    setRootResource: (request: { getUrn(): string }) => {
      rootUrn = request.getUrn();
      return new engineMessages.SetRootResourceResponse();
    },
    ...refused(fail, {
      startDebugging: "a debugger",
      requirePulumiVersion: "a required version of the Pulumi CLI (requirePulumiVersion)",
    }),
  };
}

function refused(fail: (error: unknown) => void, features: Readonly<Record<string, string>>): Service {
  const refusal = (feature: string): Handler<never> => {
    return () => {
      const error = unsupported("the program", feature);
      fail(error);
      throw error;
    };
  };
  return Object.fromEntries(Object.entries(features).map(([method, feature]) => [method, refusal(feature)]));
}

function registered({ outcome, urn, id, outputs }: Registered): unknown {
  const { Result, RegisterResourceResponse } = resourceMessages;
  const results = { done: Result.SUCCESS, failed: Result.FAIL, skipped: Result.SKIP };
  const response = new RegisterResourceResponse();
  response.setUrn(urn);
  response.setId(id);
  response.setObject(struct(outputs));
  response.setResult(results[outcome]);
  return response;
}

function checkFailure({ property, reason }: CheckFailure) {
  const failure = new providerMessages.CheckFailure();
  failure.setProperty(property);
  failure.setReason(reason);
  return failure;
}

// The generated types name another copy's Struct; the class is the one that the SDK loads.
const struct = (properties: Properties): never => Struct.fromJavaScript(properties) as never;

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
const grpcUnknown = 2;

/**
 * The client that the SDK calls, answered in this process: same messages, no socket. `redact` goes over every error,
 * because the SDK puts them into the exceptions that the program sees.
 */
export function directClient(service: Service, redact: (text: string) => string): object {
  return Object.fromEntries(
    Object.entries(service).map(([method, handler]) => [
      method,
      (request: never, ...rest: unknown[]) => void answered(() => handler(request), rest.at(-1) as Callback, redact),
    ]),
  );
}

async function answered(handle: () => unknown, callback: Callback, redact: (text: string) => string): Promise<void> {
  try {
    const response = await handle();
    callback(null, response);
  } catch (error) {
    const details = redact(messageOf(error));
    callback(Object.assign(new Error(details), { code: grpcUnknown, details }));
  }
}
