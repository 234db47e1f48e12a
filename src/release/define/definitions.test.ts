import assert from "node:assert/strict";
import { test } from "node:test";
import { treeSha } from "../../core/names.ts";
import { defaultSizes } from "../../spec/context.ts";
import { planChanges } from "../plan.ts";
import { makeDefinitions } from "./definitions.ts";

const context = { sizes: defaultSizes, targets: ["local", "cluster"], defaultTarget: "local" };
const tree = treeSha("1".repeat(40));
const web = "apiVersion: waybill/v1\nkind: service\ncommand: node main.js\n";
const settings = (target: string) => `apiVersion: waybill/v1\nenvironments: {production: {branch: main${target}}}\n`;

const definedWith = (target: string) =>
  makeDefinitions({ context }).ofFiles(
    [
      { path: "deployments/web.yaml", id: "web", bytes: Buffer.from(web) },
      { path: "waybill.yaml", id: `settings${target}`, bytes: Buffer.from(settings(target)) },
    ],
    () => tree,
    "production",
    "main",
  );

test("an environment's target is that of waybill.yaml, else the server's default; another one is another content", () => {
  const [here, there] = [definedWith(""), definedWith(", target: cluster")];
  assert.equal(here.definitions.get("web")?.target, "local");
  assert.equal(there.definitions.get("web")?.target, "cluster");
  assert.deepEqual(planChanges(here.definitions, there.definitions), [
    {
      name: "web",
      kind: "service",
      action: "replace",
      fields: [{ path: "target", from: "local", to: "cluster" }],
      reasons: ["target changed"],
    },
  ]);
});
