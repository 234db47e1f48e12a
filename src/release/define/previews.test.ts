import assert from "node:assert/strict";
import { test } from "node:test";
import type { Preview } from "../deployer.ts";
import type { Change } from "../plan.ts";
import { workloadOf } from "../../../test/support/workloads.ts";
import { define, type Definition } from "./definition.ts";
import { makePreviews } from "./previews.ts";
import { nothingAround } from "./workloads.ts";

const ref = { repository: "shop", environment: "production" };
const definitionOf = (name: string, more = ""): Definition =>
  define(
    workloadOf(`kind: service\nname: ${name}\ncommand: node main.js\n${more}`).spec,
    { source: null, target: "cluster" },
    { file: `deployments/${name}.yaml`, line: 1 },
  );
const created = (name: string): Change => ({ name, kind: "service", action: "create", fields: [], reasons: [] });
const answer = (given: Partial<Preview> = {}): Preview => ({ objects: [], notices: [], refusal: null, ...given });

function asked(
  definitions: readonly Definition[],
  preview: (name: string, signal: AbortSignal) => Promise<Preview>,
  { limitMs = 5_000 } = {},
) {
  const names: string[] = [];
  const previews = makePreviews({
    limitMs,
    deployer: {
      preview: ({ spec }) => {
        return (signal) => {
          names.push(spec.name);
          return preview(spec.name, signal);
        };
      },
    },
  });
  const changes = definitions.map(({ name }) => created(name));
  const request = {
    definitions: new Map(definitions.map((definition) => [definition.name, definition])),
    changes,
    surroundings: async () => ({ ...nothingAround }),
  };
  return { names, answers: () => previews(ref, request) };
}

test("objects and notices of each are its own; a refusal is a problem of its file", async () => {
  const object = { action: "create", kind: "Service", name: "web", fields: [], filled: [] } as const;
  const { answers } = asked([definitionOf("web"), definitionOf("api")], async (name) =>
    name === "web" ? answer({ objects: [object], notices: ["slow"] }) : answer({ refusal: "never" }),
  );
  const { changes, notices, problems } = await answers();
  assert.deepEqual(changes[0]?.objects, [object]);
  assert.equal(changes[1]?.objects, undefined);
  assert.deepEqual(notices, ["web: slow"]);
  assert.deepEqual(problems, [
    {
      file: "deployments/api.yaml",
      line: 1,
      column: 1,
      code: "TARGET_REFUSED",
      message: 'target "cluster" would refuse it: never',
    },
  ]);
});

test("a target that is away, or does not answer in time, is a note", async () => {
  const away = asked([definitionOf("web"), definitionOf("api")], () => Promise.reject(new Error("no route")));
  assert.deepEqual((await away.answers()).notices, ["the target could not be asked about web, api: no route"]);
  const hanging = asked([definitionOf("web")], () => new Promise(() => undefined), { limitMs: 20 });
  assert.deepEqual((await hanging.answers()).notices, [
    "the target could not be asked about web: it did not answer in time",
  ]);
});

test("what waits for a secret is not asked about; of many, some", async () => {
  const waiting = asked([definitionOf("web", "secrets: [{name: db, env: DB}]\n")], async () => answer());
  await waiting.answers();
  assert.deepEqual(waiting.names, []);
  const many = asked(
    Array.from({ length: 27 }, (_, index) => definitionOf(`web-${index}`)),
    async () => answer(),
  );
  const { notices } = await many.answers();
  assert.equal(many.names.length, 20);
  assert.deepEqual(notices, [
    "the target was not asked about web-20, web-21, web-22, web-23, web-24 and 2 more: that would take too long",
  ]);
});

test("where no target is asked, nothing is read", async () => {
  const changes = [created("web")];
  const previews = makePreviews({ deployer: {} });
  const surroundings = (): Promise<never> => Promise.reject(new Error("read"));
  const definitions = new Map([["web", definitionOf("web")]]);
  assert.deepEqual(await previews(ref, { definitions, changes, surroundings }), { changes, notices: [], problems: [] });
});
