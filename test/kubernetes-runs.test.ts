import { describe } from "node:test";
import { runBehaviours } from "./conformance/runs.ts";
import { clusterSkip } from "./support/cluster.ts";
import { clusterWorld } from "./support/cluster-world.ts";

describe("runs as Jobs", { skip: clusterSkip() }, () => runBehaviours(clusterWorld));
