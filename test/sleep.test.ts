import { describe } from "node:test";
import { sleepBehaviours } from "./conformance/sleep.ts";
import { localWorld } from "./support/target-world.ts";

describe("sleep and wake of processes", () => sleepBehaviours(localWorld));
