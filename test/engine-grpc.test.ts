import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { promisify } from "node:util";
import type { Registration } from "../src/engine/stack/registration.ts";
import type { EngineEvent } from "../src/engine/step.ts";
import { engineService, monitorService } from "../src/engine/program/monitor.ts";
import { resourceMessages, Struct, engineMessages } from "../src/engine/program/sdk.ts";

// The SDK's own copy of the gRPC library and of its generated clients.
const fromSdk = createRequire(createRequire(import.meta.url).resolve("@pulumi/pulumi"));
interface Client {
  close(): void;
  waitForReady(deadline: number, callback: (error?: Error) => void): void;
  readonly [method: string]: unknown;
}
interface Grpc {
  readonly Server: new () => {
    addService(definition: object, handlers: object): void;
    bindAsync(address: string, credentials: object, callback: (error: Error | null, port: number) => void): void;
    forceShutdown(): void;
  };
  readonly ServerCredentials: { createInsecure(): object };
  readonly credentials: { createInsecure(): object };
}
const grpc = fromSdk("@grpc/grpc-js") as Grpc;
type Generated = Record<string, object> & Record<string, new (address: string, credentials: object) => Client>;
const resourceGrpc = fromSdk("@pulumi/pulumi/proto/resource_grpc_pb.js") as Generated;
const engineGrpc = fromSdk("@pulumi/pulumi/proto/engine_grpc_pb.js") as Generated;

/** The handlers as gRPC wants them. */
const overGrpc = (service: Readonly<Record<string, (request: never) => unknown>>): object =>
  Object.fromEntries(
    Object.entries(service).map(([method, handler]) => [
      method,
      async ({ request }: { request: never }, callback: (error: unknown, response?: unknown) => void) => {
        try {
          const response = await handler(request);
          callback(null, response);
        } catch (error) {
          callback(error);
        }
      },
    ]),
  );

test("the services are those of Pulumi's protocol: its generated clients reach them over a socket", async (context) => {
  const seen: Registration[] = [];
  const events: EngineEvent[] = [];
  const dependencies = {
    deployment: {
      register: async (_: unknown, decode: () => Registration) => {
        seen.push(decode());
        return { outcome: "done", urn: "urn:x", id: "id-1", outputs: { deep: [{ a: 1 }] } } as const;
      },
      registerOutputs: () => undefined,
      idle: async () => undefined,
      outputs: () => null,
    },
    invoke: async () => ({ result: {} }),
    emit: (event: EngineEvent) => void events.push(event),
    fail: () => undefined,
    redact: (text: string) => text,
  };
  const server = new grpc.Server();
  server.addService(resourceGrpc["ResourceMonitorService"] ?? {}, overGrpc(monitorService(dependencies)));
  server.addService(engineGrpc["EngineService"] ?? {}, overGrpc(engineService(dependencies)));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  context.after(() => server.forceShutdown());
  const clientOf = (generated: Generated, name: string): Client => {
    const Constructor = generated[name];
    assert.ok(Constructor);
    const client = new Constructor(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
    context.after(() => client.close());
    return client;
  };
  const call = (client: Client, method: string, request: object): Promise<unknown> =>
    promisify(client[method] as (request: object, callback: (error: unknown, response: unknown) => void) => void).call(
      client,
      request,
    );

  const monitor = clientOf(resourceGrpc, "ResourceMonitorClient");
  const request = new resourceMessages.RegisterResourceRequest();
  request.setType("test:index:Thing");
  request.setName("a");
  request.setCustom(true);
  request.setObject(Struct.fromJavaScript({ size: 1 }) as never);
  const response = (await call(monitor, "registerResource", request)) as InstanceType<
    typeof resourceMessages.RegisterResourceResponse
  >;
  assert.equal(seen[0]?.inputs["size"], 1);
  assert.equal(response.getId(), "id-1");
  assert.deepEqual(response.getObject()?.toJavaScript(), { deep: [{ a: 1 }] });
  const feature = new resourceMessages.SupportsFeatureRequest();
  feature.setId("transforms");
  const supports = (await call(monitor, "supportsFeature", feature)) as { getHassupport(): boolean };
  assert.equal(supports.getHassupport(), false);
  await assert.rejects(call(monitor, "call", new resourceMessages.ResourceCallRequest()), /\(Call\).*does not serve/);

  const engine = clientOf(engineGrpc, "EngineClient");
  const log = new engineMessages.LogRequest();
  log.setSeverity(engineMessages.LogSeverity.WARNING);
  log.setMessage("careful");
  await call(engine, "log", log);
  assert.deepEqual(events, [{ type: "log", severity: "warning", urn: null, message: "careful" }]);
});
