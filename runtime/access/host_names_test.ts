import assert from "node:assert/strict";
import { HostNames } from "./mod.ts";

Deno.test("HostNames.allows() knows this machine's names, given names and addresses", () => {
  const names = new HostNames(["Box.Example.org", "0.0.0.0"], { machine: "Attic.lan" });
  const allowed = [
    ...["localhost", "LOCALHOST:8420", "localhost.:8420", "app.localhost", "127.0.0.1:8420"],
    ...["attic.lan", "attic", "attic.local:80", "box.example.org:443", "10.1.2.3", "[::1]:8420"],
    "[fe80::1]",
  ];
  for (const host of allowed) assert.ok(names.allows(host), host);
  assert.ok(names.allows(undefined), "HTTP/1.0 without the header");
});

Deno.test("HostNames.allows() refuses foreign names and headers that are none", () => {
  const names = new HostNames([], { machine: "attic" });
  const refused = [
    ...["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil-localhost"],
    ...["", " ", "a b", "localhost/x", "localhost@evil.example", "localhost:8420:1", "[::1", "::1"],
    ...["[evil]", "[127.0.0.1]", "b\u00fccher.example", "localhost\u0000", ".localhost"],
    ...["attic.evil", "localhost, evil.example", "x".repeat(300)],
  ];
  for (const host of refused) assert.ok(!names.allows(host), host);
});
