import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isPublicPath } from "./public-path.ts";

const patterns = ["/healthz", "/hooks/*", "/a b"];

for (const path of ["/healthz", "/hooks/", "/hooks/github", "/hooks/a/b.json", "/hooks/a%20b", "/hooks/a:b@c,d=e+f"]) {
  test(`public: ${path}`, () => assert.equal(isPublicPath(path, patterns), true));
}

const refused = [
  "/",
  "",
  "/healthz/",
  "/healthzz",
  "/Healthz",
  "/hooks",
  "//healthz",
  "/healthz/../admin",
  "/healthz/..",
  "/hooks/../admin",
  "/hooks/./x",
  "/hooks/..",
  "/hooks/.",
  "/hooks/x/../../admin",
  "/hooks//admin",
  "/hooks/%2e%2e/admin",
  "/hooks/%2E./admin",
  "/hooks/.%2e/admin",
  "/hooks/%252e%252e/admin",
  "/hooks/..%2fadmin",
  "/hooks/x%2f..%2f..%2fadmin",
  "/hooks/..%5cadmin",
  "/hooks/..\\admin",
  "/hooks\\..\\admin",
  "/hooks/..;/admin",
  "/hooks/x;/../admin",
  "/hooks/;jsessionid=1",
  "/hooks/%3b/admin",
  "/hooks/%00",
  "/hooks/%0a",
  "/hooks/%0d%0aX:y",
  "/hooks/%c0%ae%c0%ae/admin",
  "/hooks/%e2%80%a5/admin",
  "/hooks/\u00e9",
  "/hooks/%",
  "/hooks/%zz",
  "/hooks/%u002e",
  "/hooks/#/../admin",
  "/hooks/%23",
  "/hooks/%3f",
  "/hooks/a b",
  "/hooks/\t",
  "hooks/x",
  "/a b",
];
for (const path of refused) {
  test(`not public: ${JSON.stringify(path)}`, () => assert.equal(isPublicPath(path, patterns), false));
}

test("whatever is public under a prefix stays under it in every reading", () => {
  const piece = fc.constantFrom("/", ".", "..", "%2e", "%2f", "%5c", "\\", ";", "%25", "a", "%61", "%", "//", "#", "~");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const path = `/hooks/${pieces.join("")}`;
      if (!isPublicPath(path, ["/hooks/*"])) return;
      let reading = path;
      for (let round = 0; round < 3; round += 1) {
        assert.ok(new URL(reading, "http://x").pathname.startsWith("/hooks/"), reading);
        assert.ok(
          new URL(reading.replaceAll(/;[^/]*/g, "").replaceAll("\\", "/"), "http://x").pathname.startsWith("/hooks/"),
        );
        reading = decodeURIComponent(reading);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a pattern that is no path opens nothing", () => {
  assert.equal(isPublicPath("/x", ["", "*", "x", "x*"]), false);
  assert.equal(isPublicPath("/x", ["/*"]), true);
});
