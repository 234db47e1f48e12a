import assert from "node:assert/strict";
import { test } from "node:test";
import { clientAddressOf } from "./exchange.ts";

test("the client's address: the peer's, or what a proxy next to us says under https", () => {
  assert.equal(clientAddressOf("::ffff:192.0.2.1", undefined, "http"), "192.0.2.1");
  assert.equal(clientAddressOf("127.0.0.1", "198.51.100.1", "http"), "127.0.0.1");
  assert.equal(clientAddressOf("127.0.0.1", "1.1.1.1, 198.51.100.1", "https"), "198.51.100.1");
  assert.equal(clientAddressOf("::1", "2001:db8::1", "https"), "2001:db8::1");
  assert.equal(clientAddressOf("203.0.113.9", "198.51.100.1", "https"), "203.0.113.9", "a stranger is not believed");
  assert.equal(clientAddressOf("10.0.0.1", "<script>", "https"), "10.0.0.1");
  assert.equal(clientAddressOf("10.0.0.1", undefined, "https"), "10.0.0.1");
});
