import assert from "node:assert/strict";
import { localAddressTo } from "./local_address.ts";

/** An interface with another address than loopback, of one family. */
const outward = (family: "IPv4" | "IPv6") =>
  Deno.networkInterfaces().find((i) =>
    i.family === family && !/^(127\.|::1$|169\.254\.|fe80:)/.test(i.address)
  )?.address;

Deno.test("localAddressTo() tells the address of the route that the system chooses", () => {
  assert.equal(localAddressTo("127.0.0.1"), "127.0.0.1");
  for (const family of ["IPv4", "IPv6"] as const) {
    const own = outward(family);
    if (own !== undefined) assert.equal(localAddressTo(own), own, "the way to itself");
  }
  if (Deno.networkInterfaces().some(({ address }) => address === "::1")) {
    assert.equal(localAddressTo("::1"), "::1");
    assert.equal(localAddressTo("::ffff:127.0.0.1"), "::ffff:7f00:1");
  }
});

Deno.test("localAddressTo() tells nothing of names, zones and what no route leads to", () => {
  for (const peer of ["localhost", "", "fe80::1%lo", "255.255.255.255"]) {
    assert.equal(localAddressTo(peer), undefined, peer);
  }
});
