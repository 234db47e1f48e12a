import { describe } from "node:test";
import { runBehaviours } from "./conformance/runs.ts";
import { localWorld } from "./support/target-world.ts";

describe("runs as processes", () => runBehaviours(localWorld));
