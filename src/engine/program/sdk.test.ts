import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { currentStore, sdkConfig, sdkLog, sdkSettings, sdkStack, sdkState } from "./sdk.ts";

const fromHere = createRequire(import.meta.url);

// What is used of @pulumi/pulumi and not promised by it. A newer version that fails here needs a look at
// automation/server.js, which does the same by the same means.
test("the SDK's internals are as the engine takes them to be", async () => {
  const { version } = fromHere("@pulumi/pulumi/package.json") as { version: string };
  assert.equal(version, "3.248.0");
  assert.equal(sdkSettings.resetOptions.length, 7);
  assert.equal(sdkSettings.signalAndWaitForShutdown.length, 0);
  assert.equal(sdkConfig.setAllConfig.length, 2);
  assert.equal(sdkStack.runInPulumiStack.length, 1);
  assert.equal(pulumi.log, sdkLog, "programs log through the functions that are replaced");
  assert.equal(currentStore(), undefined);
  await sdkState.withLocalStorage(async () => {
    const store = sdkState.getStore();
    assert.equal(currentStore(), store);
    assert.equal(typeof store.logErrorCount, "number");
    const monitor = {};
    store.settings.monitor = monitor;
    const settings = fromHere("@pulumi/pulumi/runtime/settings.js") as { getMonitor(): unknown; getEngine(): unknown };
    assert.equal(settings.getMonitor(), monitor, "a monitor that is there is not dialled");
    store.settings.engine = monitor;
    assert.equal(settings.getEngine(), monitor);
  });
});

test("every method of the two services has an answer, if only a refusal", async () => {
  const { monitorService, engineService } = await import("./monitor.ts");
  const methodsOf = (module: string, service: string): readonly string[] => {
    const services = fromHere(module) as Record<string, Record<string, { path: string }>>;
    return Object.keys(services[service] ?? {}).toSorted();
  };
  const unused = new Proxy({}, { get: () => () => undefined }) as never;
  assert.deepEqual(
    Object.keys(monitorService(unused)).toSorted(),
    methodsOf("@pulumi/pulumi/proto/resource_grpc_pb.js", "ResourceMonitorService"),
  );
  assert.deepEqual(
    Object.keys(engineService(unused)).toSorted(),
    methodsOf("@pulumi/pulumi/proto/engine_grpc_pb.js", "EngineService"),
  );
});
