import assert from "node:assert/strict";
import { test } from "node:test";
import { placeOf, returnPlaceOf, type PublicOrigin } from "./origin.ts";

const local: PublicOrigin = { scheme: "http", domain: "localhost:8080" };
const team: PublicOrigin = { scheme: "https", domain: "apps.example.org" };

const hosts: readonly (readonly [host: string, origin: PublicOrigin, place: string])[] = [
  ["localhost:8080", local, "bare"],
  ["localhost", local, "bare"],
  ["LOCALHOST:8080", local, "bare"],
  ["localhost.:8080", local, "bare"],
  ["127.0.0.1:8080", local, "bare"],
  ["[::1]:8080", local, "bare"],
  ["[::1]", local, "bare"],
  ["ranker.localhost:8080", local, "ranker"],
  ["RANKER.localhost", local, "ranker"],
  ["ranker.localhost.:8080", local, "ranker"],
  ["staging--ranker.localhost:9999", local, "staging--ranker"],
  ["xn--bcher-kva.localhost:8080", local, "xn--bcher-kva"],
  ["a.b.localhost:8080", local, "unknown"],
  ["-a.localhost:8080", local, "malformed"],
  ["a-.localhost:8080", local, "unknown"],
  [`${"a".repeat(64)}.localhost`, local, "unknown"],
  [`${"a".repeat(60)}.`.repeat(5) + "localhost", local, "malformed"],
  ["evillocalhost:8080", local, "unknown"],
  ["localhost.evil.example:8080", local, "unknown"],
  ["192.0.2.1:8080", local, "unknown"],
  ["[2001:db8::1]:8080", local, "unknown"],
  ["", local, "malformed"],
  [" ", local, "malformed"],
  [".localhost", local, "malformed"],
  ["a..localhost", local, "malformed"],
  ["ranker.localhost..", local, "malformed"],
  ["ranker.localhost:", local, "malformed"],
  ["ranker.localhost:x", local, "malformed"],
  ["ranker.localhost:99999", local, "malformed"],
  ["ranker.localhost:80:80", local, "malformed"],
  ["ranker@localhost", local, "malformed"],
  ["ranker.localhost/x", local, "malformed"],
  ["ranker.localhost, localhost", local, "malformed"],
  ["ranker\u00e9.localhost", local, "malformed"],
  ["ranker_x.localhost", local, "malformed"],
  ["[::1", local, "malformed"],
  ["apps.example.org", team, "bare"],
  ["apps.example.org:443", team, "bare"],
  ["ranker.apps.example.org", team, "ranker"],
  ["ranker.localhost", team, "unknown"],
  ["example.org", team, "unknown"],
];
for (const [host, origin, wanted] of hosts) {
  test(`host ${JSON.stringify(host.slice(0, 60))} of ${origin.domain}: ${wanted}`, () => {
    const place = placeOf(host, origin);
    assert.equal(place.kind === "workload" ? place.label : place.kind, wanted);
  });
}

const returns: readonly (readonly [value: string | null, wanted: string])[] = [
  [null, "bare /"],
  ["", "bare /"],
  ["/deployments?x=1", "bare /deployments?x=1"],
  ["deployments", "bare /deployments"],
  ["http://localhost:8080/a", "bare /a"],
  ["http://ranker.localhost:8080/a?b=c", "ranker /a?b=c"],
  ["http://ranker.localhost:8080/.waybill/callback?code=x", "ranker /"],
  ["//evil.example", "bare /"],
  ["///evil.example", "bare /"],
  ["/\\evil.example", "bare /"],
  ["\\\\evil.example", "bare /"],
  ["/\t/evil.example", "bare /"],
  ["http://localhost:8080//evil.example", "bare /"],
  ["http://ranker.localhost:8080//evil.example", "bare /"],
  ["http://localhost:9999/", "bare /"],
  ["http://ranker.localhost/", "bare /"],
  ["https://ranker.localhost:8080/", "bare /"],
  ["http://a.b.localhost:8080/", "bare /"],
  ["http://ranker.localhost:8080@evil.example/", "bare /"],
  ["http://user@ranker.localhost:8080/", "bare /"],
  ["http://evil.example/?.localhost:8080", "bare /"],
  ["javascript:alert(1)", "bare /"],
  ["data:text/html,x", "bare /"],
  ["http://", "bare /"],
  [`/${"a".repeat(5_000)}`, "bare /"],
];
for (const [value, wanted] of returns) {
  test(`return=${JSON.stringify(value?.slice(0, 60))} leads to ${wanted}`, () => {
    const place = returnPlaceOf(value, local);
    assert.equal(`${place.kind === "workload" ? place.label : place.kind} ${place.path}`, wanted);
  });
}
