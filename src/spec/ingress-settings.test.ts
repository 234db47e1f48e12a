import assert from "node:assert/strict";
import { test } from "node:test";
import { formatProblem } from "./problem.ts";
import { parseServerSettings } from "./server-settings.ts";

const parse = (ingress: string, more = "sourceUrl: http://10.0.0.7:8080") =>
  parseServerSettings(`targets:\n  c:\n    kind: kubernetes\n    ${more}\n    ingress: ${ingress}\n`, "s.yaml");
const completed = (ingress: string, more?: string): unknown => {
  const { settings, problems } = parse(ingress, more);
  assert.deepEqual(problems.map(formatProblem), []);
  const target = settings?.targets["c"];
  return target?.kind === "kubernetes" ? target.ingress : null;
};
const problemsOf = (ingress: string, more?: string): string[] => parse(ingress, more).problems.map(formatProblem);

test("an entrance of the cluster's own is completed", () => {
  assert.equal(completed("{kind: gateway}"), undefined);
  assert.deepEqual(completed("{kind: ingress, controller: nginx, from: {namespace: ingress-nginx}}"), {
    kind: "ingress",
    controller: "nginx",
    annotations: {},
    serverUrl: "http://10.0.0.7:8080",
    from: { namespace: "ingress-nginx" },
    probe: { url: null, timeoutMs: 60_000 },
  });
  const route =
    "{kind: gateway-api, controller: envoy-gateway, parent: {name: public, namespace: gateways}, from: {cidrs: [10.0.0.0/8]}, " +
    'serverUrl: "http://waybill.waybill.svc/", probe: {url: "https://10.0.0.9/", timeout: 2m}, annotations: {a/b: c}}';
  assert.deepEqual(completed(route, "sourceUrl: https://waybill.example.org"), {
    kind: "gateway-api",
    controller: "envoy-gateway",
    parent: { name: "public", namespace: "gateways" },
    annotations: { "a/b": "c" },
    serverUrl: "http://waybill.waybill.svc",
    from: { cidrs: ["10.0.0.0/8"] },
    probe: { url: "https://10.0.0.9", timeoutMs: 120_000 },
  });
});

test("what does not go together is said where it stands", () => {
  assert.deepEqual(problemsOf("{kind: gateway, controller: nginx}"), [
    "s.yaml:5:30 FIELD_NOT_FOR_KIND controller is not for kind gateway: remove it, or change kind",
  ]);
  assert.deepEqual(problemsOf("{kind: gateway-api, controller: nginx, tls: {}, from: {namespace: a}}"), [
    "s.yaml:5:14 FIELD_MISSING ingress needs parent",
    's.yaml:5:46 FIELD_VALUE controller "nginx" is not for kind gateway-api, which takes envoy-gateway, traefik, external-auth',
    "s.yaml:5:53 FIELD_NOT_FOR_KIND tls is not for kind gateway-api: remove it, or change kind",
  ]);
  assert.deepEqual(
    problemsOf("{kind: ingress, from: {namespace: a, cidrs: [10.0.0.0/8]}, tls: {issuer: a, secretName: b}}"),
    [
      "s.yaml:5:14 FIELD_MISSING ingress needs controller",
      "s.yaml:5:30 FIELD_CONFLICT from takes one of namespace, cidrs",
      "s.yaml:5:73 FIELD_CONFLICT tls takes one of secretName, issuer, clusterIssuer",
    ],
  );
  assert.deepEqual(
    problemsOf("{kind: ingress, controller: nginx, from: {namespace: a}}", "sourceUrl: https://a.example/x"),
    [
      "s.yaml:5:14 FIELD_MISSING ingress needs serverUrl, such as http://waybill.waybill.svc:8080: sourceUrl has TLS or a path",
    ],
  );
  const route = "{kind: gateway-api, controller: traefik, parent: {name: a, namespace: b}, from: {namespace: c}";
  assert.deepEqual(problemsOf(`${route}}`, "sourceUrl: http://waybill.internal:8080"), [
    "s.yaml:5:14 FIELD_VALUE an HTTPRoute leads to waybill.internal neither as a Service (NAME.NAMESPACE.svc) nor as an IPv4 address",
  ]);
  assert.deepEqual(problemsOf(`${route}, serverUrl: "http://a:99999", probe: {url: "https://[::"}}`), [
    "s.yaml:5:121 FIELD_VALUE http://a:99999 is no address",
    "s.yaml:5:146 FIELD_VALUE https://[:: is no address",
  ]);
});
