import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { advertisedHost, checkJoin } from "./addresses.ts";

const interfaces = [{ address: "127.0.0.1", family: "IPv4" }, {
  address: "fe80::1",
  family: "IPv6",
}, {
  address: "192.168.1.7",
  family: "IPv4",
}];

Deno.test("advertisedHost() keeps a stated address, and finds an outward one for all interfaces", () => {
  assert.equal(advertisedHost("10.0.0.3", interfaces), "10.0.0.3");
  assert.equal(advertisedHost("0.0.0.0", interfaces), "192.168.1.7");
  assert.equal(advertisedHost("0.0.0.0", interfaces.slice(0, 2)), "127.0.0.1");
});

Deno.test("checkJoin() refuses a loopback node that joins a node on another machine", () => {
  assert.throws(() => checkJoin("127.0.0.1", "192.168.1.2"), (e) => hasCode(e, "join_failed"));
  checkJoin("127.0.0.1", "127.0.0.1");
  checkJoin("192.168.1.7", "192.168.1.2");
});
