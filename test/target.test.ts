import { describe } from "node:test";
import { targetBehaviours } from "./conformance/target.ts";
import { localWorld } from "./support/target-world.ts";

describe("deployments as processes", () => targetBehaviours(localWorld));
