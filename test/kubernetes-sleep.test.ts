import { describe } from "node:test";
import { sleepBehaviours } from "./conformance/sleep.ts";
import { clusterSkip } from "./support/cluster.ts";
import { clusterWorld } from "./support/cluster-world.ts";

describe("sleep and wake of pods", { skip: clusterSkip() }, () => sleepBehaviours(clusterWorld));
