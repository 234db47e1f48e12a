import assert from "node:assert/strict";
import { test } from "node:test";
import { makeCookies } from "../../access/proof/cookie.ts";
import { headersForClient, headersForServer, headersForWorkload, pairsOf, type Saying } from "./headers.ts";

const cookies = makeCookies({ scheme: "http", domain: "localhost:8080" });
const saying: Saying = {
  requestId: "ours",
  parentRequestId: null,
  clientAddress: "192.0.2.7",
  host: "ranker.localhost:8080",
  scheme: "http",
};
const ada = { name: "ada", kind: "user", role: "admin", groups: ["search", "ops"] } as const;

function sent(headers: readonly string[], options: { identity?: typeof ada; isOurAuthorization?: boolean } = {}) {
  const { identity = null, isOurAuthorization = false } = options;
  return headersForWorkload(headers, saying, { identity, cookies, isOurAuthorization });
}
const namesOf = (headers: readonly string[]): string[] => [...pairsOf(headers)].map(([name]) => name);

const forged = [
  "X-Waybill-User",
  "x-waybill-role",
  "X_Waybill_User",
  "x_WAYBILL-groups",
  "X.Waybill.User",
  "X-Waybill_Anything",
  "X-Forwarded-User",
  "X_Forwarded_User",
  "X-Forwarded-For",
  "X-Forwarded-Proto",
  "X-Forwarded-Host",
  "X-Forwarded",
  "Forwarded",
  "X-Real-IP",
  "X-Auth-Request-User",
  "X_Auth_Request_Email",
  "X-Auth-Request-Groups",
  "Remote-User",
  "REMOTE_USER",
  "X-Remote-User",
  "Remote-Groups",
  "X-WebAuth-User",
  "X-Authenticated-User",
  "Cf-Access-Authenticated-User-Email",
  "Tailscale-User-Login",
  "X-Goog-Authenticated-User-Email",
  "X-MS-Client-Principal-Name",
  "X-Amzn-Oidc-Identity",
  "X-Original-URL",
  "X-Rewrite-URL",
  "SSL_CLIENT_S_DN",
  "X-SSL-Client-Cert",
  "X-Request-Id",
  "X_Request_Id",
];
for (const name of forged) {
  test(`a deployment never gets ${name} from outside`, () => {
    const headers = sent(["Accept", "*/*", name, "mallory", name.toUpperCase(), "mallory"]);
    assert.ok(!headers.includes("mallory"), headers.join(" "));
    assert.ok(headers.includes("Accept"));
  });
}

test("an application's own headers pass, in their order and as they were written", () => {
  const own = ["X-Api-Key", "k", "x-auth-token", "t", "Authorization", "Basic eDp5", "Set", "1", "set", "2"];
  assert.deepEqual(sent(own).slice(0, own.length), own);
});

test("hop-by-hop headers end here, those that Connection names too", () => {
  const headers = ["Connection", "close, X-Hop", "X-Hop", "1", "Keep-Alive", "9", "TE", "trailers", "Upgrade", "h2c"];
  const names = namesOf(sent([...headers, "Transfer-Encoding", "chunked", "Proxy-Authorization", "x", "Expect", "y"]));
  assert.deepEqual(names, ["host", "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"]);
});

test("Connection cannot name away what we say", () => {
  const headers = sent(["Connection", "x-waybill-user, host, x-request-id"], { identity: ada });
  assert.ok(headers.includes("ada") && headers.includes("ours") && headers.includes("ranker.localhost:8080"));
});

test("who signed in is told to the deployment", () => {
  const headers = new Map(pairsOf(sent([], { identity: ada })));
  assert.equal(headers.get("x-waybill-user"), "ada");
  assert.equal(headers.get("x-waybill-role"), "admin");
  assert.equal(headers.get("x-waybill-groups"), "search,ops");
});

test("our cookie and our token stay here, the application's go on", () => {
  const mixed = [
    "Cookie",
    `a=1; ${cookies.session}=secret; b="2"; ${cookies.state}=nonce`,
    "Cookie",
    `${cookies.session}=x`,
  ];
  const headers = sent([...mixed, "Authorization", "Bearer wb_x"], { isOurAuthorization: true });
  assert.deepEqual(headers.slice(0, 2), ["Cookie", 'a=1; b="2"']);
  assert.ok(!headers.join().includes("secret") && !headers.join().includes("wb_x"));
  assert.equal(namesOf(headers).filter((name) => name.toLowerCase() === "cookie").length, 1);
});

test("the server gets what came, but for where it came from", () => {
  const own = ["Cookie", `${cookies.session}=s`, "Authorization", "Basic x", "Git-Protocol", "version=2"];
  const headers = headersForServer([...own, "X-Forwarded-For", "mallory", "X_Forwarded_Host", "mallory"], saying);
  assert.deepEqual(headers.slice(0, own.length), own);
  assert.ok(!headers.includes("mallory") && headers.includes("192.0.2.7"));
});

test("a deployment cannot set our cookies, nor answer with another request's id", () => {
  const answer = ["Set-Cookie", "a=1", "set-cookie", `${cookies.session}=evil; Path=/`, "X-Request-Id", "theirs"];
  assert.deepEqual(headersForClient([...answer, "Connection", "close"], "ours", cookies), [
    "Set-Cookie",
    "a=1",
    "X-Request-Id",
    "ours",
  ]);
});
