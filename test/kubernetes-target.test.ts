import { describe } from "node:test";
import { targetBehaviours } from "./conformance/target.ts";
import { clusterSkip } from "./support/cluster.ts";
import { clusterWorld } from "./support/cluster-world.ts";

describe("deployments as pods", { skip: clusterSkip() }, () => targetBehaviours(clusterWorld));
