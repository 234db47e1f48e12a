import { cliSkip, makeCliTestEngine } from "./support/cli-engine.ts";
import { testEngine } from "./support/engine-suite.ts";

testEngine("by the CLI", { makeHarness: makeCliTestEngine, skip: cliSkip });
