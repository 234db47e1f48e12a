import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { runsOf } from "./conformance/runs.ts";
import { patience } from "./support/cluster.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { until } from "./support/served.ts";
import { putUserImage, userImageSkip } from "./support/user-image.ts";

// A CronJob is made suspended, and let go of once its apply is written down: a server may die between.

const limitMs = 120_000;

interface CronJob extends KubeObject {
  readonly spec: { readonly suspend?: boolean };
}

describe(
  "kill -9 of the server while a schedule becomes its cluster's",
  { skip: userImageSkip(), timeout: 600_000 },
  () => {
    let world: ClusterWorld;
    let image: string;
    before(async () => {
      image = await putUserImage();
      world = await clusterWorld("    schedules: cronJobs\n");
    });
    after(() => world?.close());

    const named = async (name: string): Promise<CronJob | undefined> => {
      const selection = { apiVersion: "batch/v1", kind: "CronJob", namespace: world.namespace };
      const { items } = await world.cluster.list<CronJob>(selection, patience());
      return items.find(({ metadata }) => metadata.name.startsWith(`${name}-`));
    };
    const kill = async (): Promise<void> => {
      const { child } = world.served.server();
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    };

    test("the next one lets it go, whenever that was", async () => {
      // From the moment in which the CronJob is there.
      for (const [index, afterMs] of [0, 10, 30, 100].entries()) {
        const name = `pulse${index}`;
        const pushing = world.shop.push({
          [`deployments/${name}.yaml`]: `apiVersion: waybill/v1
kind: job
source: {image: "${image}"}
size: {cpu: 0.01, memory: 32Mi}
command: echo fired
schedules: [{name: minute, cron: "* * * * *"}]
`,
        });
        while ((await named(name)) === undefined) await sleep(10);
        await sleep(afterMs);
        await kill();
        await pushing;
        await world.served.start();
        await until("it fires", async () => (await named(name))?.spec.suspend === false, limitMs);
      }
      await until("one was fired", async () => (await runsOf(world, "pulse0")).length > 0, limitMs);
    });
  },
);
