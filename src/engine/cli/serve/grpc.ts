import { createRequire } from "node:module";
import type * as languagePb from "@pulumi/pulumi/proto/language_pb.js";
import type * as pluginPb from "@pulumi/pulumi/proto/plugin_pb.js";
import type * as statusPb from "@pulumi/pulumi/proto/status_pb.js";

// The SDK's own copies of the gRPC library and of protobuf: messages of another copy do not match.
const fromHere = createRequire(import.meta.url);
const fromSdk = createRequire(fromHere.resolve("@pulumi/pulumi"));

interface Metadata {
  add(key: string, value: Buffer): void;
}
interface Server {
  addService(definition: object, handlers: object): void;
  bindAsync(address: string, credentials: object, callback: (error: Error | null, port: number) => void): void;
  forceShutdown(): void;
}
export interface Client {
  close(): void;
  readonly [method: string]: unknown;
}
interface Grpc {
  readonly Server: new (options: object) => Server;
  readonly ServerCredentials: { createInsecure(): object };
  readonly credentials: { createInsecure(): object };
  readonly Metadata: new () => Metadata;
}
type ClientConstructor = new (address: string, credentials: object, options: object) => Client;
interface AnyMessage {
  pack(bytes: Uint8Array, name: string): void;
}

const grpc = fromSdk("@grpc/grpc-js") as Grpc;
const { Any } = fromSdk("google-protobuf/google/protobuf/any_pb.js") as { Any: new () => AnyMessage };
const { grpcChannelOptions } = fromHere("@pulumi/pulumi/runtime/settings.js") as { grpcChannelOptions: object };
const { Status } = fromHere("@pulumi/pulumi/proto/status_pb.js") as typeof statusPb;

export const languageMessages = fromHere("@pulumi/pulumi/proto/language_pb.js") as typeof languagePb;
export const pluginMessages = fromHere("@pulumi/pulumi/proto/plugin_pb.js") as typeof pluginPb;
const definitionOf = (module: string, name: string): object =>
  (fromHere(`@pulumi/pulumi/proto/${module}_grpc_pb.js`) as Record<string, object>)[name] ?? {};
export const languageRuntime = definitionOf("language", "LanguageRuntimeService");
export const resourceProvider = definitionOf("provider", "ResourceProviderService");
const clientOf = (module: string, name: string) => definitionOf(module, name) as unknown as ClientConstructor;
const MonitorClient = clientOf("resource", "ResourceMonitorClient");
const EngineClient = clientOf("engine", "EngineClient");

const dial = (Constructor: ClientConstructor, address: string): Client =>
  new Constructor(address, grpc.credentials.createInsecure(), grpcChannelOptions);
export const dialMonitor = (address: string): Client => dial(MonitorClient, address);
export const dialEngine = (address: string): Client => dial(EngineClient, address);

/** Answers a response or a promise of one. `peer` is the caller's own address: one connection, one caller. */
export type Method<Request> = (request: Request, peer: string) => unknown;
export type Service = Readonly<Record<string, Method<never>>>;

interface UnaryCall {
  readonly request: never;
  getPeer(): string;
}
type Respond = (error: unknown, response?: unknown) => void;

export interface GrpcServer {
  readonly port: number;
  /** With everything under way. */
  close(): void;
}

/** Serves on a free port of the loopback. */
export async function serve(definition: object, service: Service): Promise<GrpcServer> {
  const server = new grpc.Server(grpcChannelOptions);
  const handlers = Object.entries(service).map(([name, method]) => [name, handler(method)] as const);
  server.addService(definition, Object.fromEntries(handlers));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, close: () => server.forceShutdown() };
}

function handler(method: Method<never>) {
  return async (call: UnaryCall, respond: Respond): Promise<void> => {
    try {
      const response = await method(call.request, call.getPeer());
      respond(null, response);
    } catch (error) {
      respond(error instanceof Failure ? error.status() : { code: unknownCode, details: String(error) });
    }
  };
}

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
const unknownCode = 2;

/** What a service answers in place of a response. Its text leaves the process: it must be clean of secrets. */
export class Failure extends Error {
  readonly #detail: { readonly name: string; readonly bytes: Uint8Array } | null;

  constructor(message: string, detail: { readonly name: string; readonly bytes: Uint8Array } | null = null) {
    super(message);
    this.name = "Failure";
    this.#detail = detail;
  }

  /** A detail travels as a google.rpc.Status in the trailing metadata, as Go's gRPC does it. */
  status(): object {
    const metadata = new grpc.Metadata();
    if (this.#detail) {
      const status = new Status();
      status.setCode(unknownCode);
      status.setMessage(this.message);
      const any = new Any();
      any.pack(this.#detail.bytes, this.#detail.name);
      status.addDetails(any as never);
      metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
    }
    return { code: unknownCode, details: this.message, metadata };
  }
}
