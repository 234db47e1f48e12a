import { createRequire } from "node:module";
import type { AsyncLocalStorage } from "node:async_hooks";
import type * as enginePb from "@pulumi/pulumi/proto/engine_pb.js";
import type * as providerPb from "@pulumi/pulumi/proto/provider_pb.js";
import type * as resourcePb from "@pulumi/pulumi/proto/resource_pb.js";

/**
 * The parts of @pulumi/pulumi that it keeps to itself: those by which its own language server for inline programs
 * (automation/server.js) runs one. Its `run` hooks every unhandled rejection of the process, so that of two programs
 * at once each fails for the other; these modules underneath keep programs apart. sdk.test.ts pins what is used.
 */
const fromHere = createRequire(import.meta.url);
// google-protobuf must be the copy that the SDK's own messages are made of.
const fromSdk = createRequire(fromHere.resolve("@pulumi/pulumi"));

/** The SDK's per-program globals, in AsyncLocalStorage. */
export interface SdkStore {
  settings: { monitor: unknown; engine: unknown };
  logErrorCount: number;
  /** The server for transforms and hooks, where the program has any. */
  callbacks?: { shutdown(): void };
}
interface SdkState {
  withLocalStorage<Result>(callback: () => Promise<Result>): Promise<Result>;
  getStore(): SdkStore;
}
interface SdkSettings {
  resetOptions(...options: [string, string, number, string, string, boolean, string]): void;
  waitForRPCs(): Promise<void>;
  /** Resolves when everything is done that comes after the program. */
  signalAndWaitForShutdown(): Promise<void>;
  /** Keeps `waitForRPCs` waiting until what it answers is called. */
  rpcKeepAlive(): () => void;
}
interface SdkConfig {
  setAllConfig(config: Record<string, string>, secretKeys: readonly string[]): void;
}
interface SdkStack {
  runInPulumiStack(program: () => Promise<unknown>): Promise<unknown>;
}
type LogFunction = (message: string, resource?: SdkResource, streamId?: number, ephemeral?: boolean) => Promise<void>;
interface SdkResource {
  readonly urn: { promise(): Promise<string> };
}
export type SdkLog = Record<"debug" | "info" | "warn" | "error", LogFunction>;
interface StructConstructor {
  fromJavaScript(value: object): StructMessage;
}
export interface StructMessage {
  toJavaScript(): Record<string, unknown>;
}

export const sdkState = fromHere("@pulumi/pulumi/runtime/state.js") as SdkState;
export const sdkSettings = fromHere("@pulumi/pulumi/runtime/settings.js") as SdkSettings;
export const sdkConfig = fromHere("@pulumi/pulumi/runtime/config.js") as SdkConfig;
export const sdkStack = fromHere("@pulumi/pulumi/runtime/stack.js") as SdkStack;
export const sdkLog = fromHere("@pulumi/pulumi/log/index.js") as SdkLog;
export const resourceMessages = fromHere("@pulumi/pulumi/proto/resource_pb.js") as typeof resourcePb;
export const providerMessages = fromHere("@pulumi/pulumi/proto/provider_pb.js") as typeof providerPb;
export const engineMessages = fromHere("@pulumi/pulumi/proto/engine_pb.js") as typeof enginePb;
export const { Struct } = fromSdk("google-protobuf/google/protobuf/struct_pb.js") as { Struct: StructConstructor };
export const { Empty } = fromSdk("google-protobuf/google/protobuf/empty_pb.js") as { Empty: new () => object };

/** The SDK keeps its stores here, shared by all copies of itself in the process. */
export const currentStore = (): SdkStore | undefined =>
  (globalThis as { asyncLocalStorage?: AsyncLocalStorage<SdkStore> }).asyncLocalStorage?.getStore();
