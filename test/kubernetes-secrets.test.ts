import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { secret } from "@pulumi/pulumi";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import type { Program } from "../src/engine/engine.ts";
import { startApiProxy } from "./support/api-proxy.ts";
import { startFleetServer } from "./support/cluster-fleet.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { makeKubernetesEngine } from "./support/kubernetes-engine.ts";
import { service, until } from "./support/served.ts";
import { shop } from "./support/stacks.ts";

// What a cluster knows of a secret it may repeat in whatever it refuses: none of that is to be read anywhere.

const value = `p@ss "w/ö<rd>"+&=?%\n-second line-`;
const quoted = (text: string): string => JSON.stringify(text).slice(1, -1);
/** As it may be repeated: each must not be seen, nor the beginning of one. */
const forms: Readonly<Record<string, string>> = {
  plain: value,
  base64: Buffer.from(value).toString("base64"),
  url: encodeURIComponent(value),
  form: new URLSearchParams({ "": value }).toString().slice(1),
  json: quoted(value),
  "json in json": quoted(quoted(value)),
  "json as Go has it": quoted(value).replaceAll("<", "\\u003c").replaceAll(">", "\\u003e").replaceAll("&", "\\u0026"),
  "second line": "-second line-",
};

function assertHidden(text: string, where: string): void {
  for (const [form, shown] of Object.entries(forms)) {
    assert.ok(!text.includes(shown), `${where} shows it as ${form}: ${text}`);
    // What is cut short may end within it.
    assert.ok(!text.includes(shown.slice(0, 12)), `${where} begins to show it as ${form}: ${text}`);
  }
}

const program =
  (more: Record<string, unknown> = {}): Program =>
  async () =>
    void new Secret("db", { metadata: { name: "db" }, stringData: { url: secret(value) }, ...more });

describe("secrets that a cluster repeats", { skip: clusterSkip(), timeout: 300_000 }, () => {
  test("what the API server answers, whole or cut short, in an apply, a preview and the state", async () => {
    await using proxy = await startApiProxy();
    await using world = await makeKubernetesEngine({ prefix: "kf-secrets", kubeconfig: proxy.kubeconfig });
    const { engine, config, texts } = world;
    const seen: string[] = [];
    const onEvent = (event: unknown): void => void seen.push(inspect(event, { depth: 8 }));
    // The message is cut after 2,000 characters: here, in the middle of a secret.
    const cut = (shown: string): string => `${"x".repeat(2_000 - Math.min(13, shown.length - 1))}${shown}`;
    const all = Object.values(forms);
    for (const message of [`data.url is wrong: ${all.join(" or ")}`, ...all.map(cut)]) {
      proxy.failWith(({ method }) => (method === "PATCH" ? { status: 422, reason: "Invalid", message } : null));
      const options = { config, onEvent };
      for (const run of [() => engine.up(shop, program(), options), () => engine.preview(shop, program(), options)]) {
        const error: unknown = await run().then(
          () => assert.fail("it is not refused"),
          (thrown: unknown) => thrown,
        );
        assertHidden(inspect(error, { depth: 8 }), "an error");
      }
    }
    proxy.failWith(() => null);
    assertHidden(seen.join("\n"), "events");
    assertHidden([...texts.values()].join("\n"), "the state");
  });

  test("a refusal by admission that quotes the object; one that is immutable", async () => {
    await using world = await makeKubernetesEngine({ prefix: "kf-secrets" });
    const { engine, config, cluster, namespace: name } = world;
    const admission = { apiVersion: "admissionregistration.k8s.io/v1" };
    const policy = {
      ...admission,
      kind: "ValidatingAdmissionPolicy",
      metadata: { name },
      spec: {
        matchConstraints: {
          namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } },
          resourceRules: [
            { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["secrets"] },
          ],
        },
        validations: [
          {
            expression: "!has(object.metadata.labels) || !('quoted' in object.metadata.labels)",
            messageExpression: "'found ' + object.data.url + ' in ' + object.metadata.name",
          },
        ],
      },
    };
    const binding = {
      ...admission,
      kind: "ValidatingAdmissionPolicyBinding",
      metadata: { name },
      spec: { policyName: name, validationActions: ["Deny"] },
    };
    await cluster.apply(policy, { signal: patience() });
    await cluster.apply(binding, { signal: patience() });
    try {
      const unwelcome = program({ metadata: { name: "quoted", labels: { quoted: "" } } });
      const refusal = (run: Promise<unknown>): Promise<string> =>
        run.then(
          () => "",
          (error: unknown) => inspect(error, { depth: 8 }),
        );
      await until(
        "the policy is in force",
        async () => (await refusal(engine.preview(shop, unwelcome, { config }))) !== "",
      );
      const said = await refusal(engine.up(shop, unwelcome, { config }));
      assert.match(said, /denied request: found \[redacted\] in quoted/);
      assertHidden(said, "a refusal");
    } finally {
      for (const { kind } of [binding, policy])
        await cluster.delete({ ...admission, kind, name }, { signal: patience() });
    }
    await engine.up(shop, program({ immutable: true }), { config });
    const changed = async () => {
      void new Secret("db", { metadata: { name: "db" }, stringData: { url: secret(`${value}!`) }, immutable: true });
      // Not known as a secret here, and none of this object's.
      void new ConfigMap("other", { metadata: { name: "Not A Name" }, data: { url: secret(value) } });
    };
    const error: unknown = await engine.up(shop, changed, { config }).catch((thrown: unknown) => thrown);
    assertHidden(inspect(error, { depth: 8 }), "an invalid object beside it");
    assertHidden(JSON.stringify(await engine.export(shop)), "the state");
  });

  test("a program that prints its own before it crashes: plan, push, status, history, log of the server", async () => {
    await using fleet = Object.assign(await startFleetServer(), {
      async [Symbol.asyncDispose]() {
        await fleet.close();
      },
    });
    const { served } = fleet;
    await served.start({ env: { WAYBILL_LOG_LEVEL: "debug" } });
    const clone = await fleet.clone("kf-secrets");
    const cwd = clone.path;
    await served.cli(["secret", "set", "db"], { cwd, input: value });
    const files = {
      "deployments/web.yaml": service(
        "web",
        "size: {cpu: 0.01, memory: 64Mi}\nsecrets: [{name: db, env: DB}]\nhealth: {startTimeout: 30s}\n",
      ),
      "web/main.js": "console.log('it is ' + process.env.DB); process.exit(3);",
    };
    const { stderr } = await clone.push(files);
    assert.match(stderr, /web {2}failed: [^]*status 3[^]*\[redacted\]/);
    assertHidden(stderr, "the push");
    const shown = await Promise.all(
      [["status"], ["status", "web"], ["history", "production"], ["plan"]].map(async (args) => {
        const { out, err } = await served.cli([...args, "--json"], { cwd });
        return `${args.join(" ")}: ${out}${err}`;
      }),
    );
    for (const text of shown) assertHidden(text, "the command line");
    assertHidden(served.server().log(), "the server's log");
  });
});
