import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { checkJoin } from "./addresses.ts";

Deno.test("checkJoin() refuses a loopback node that joins a node on another machine", () => {
  assert.throws(() => checkJoin("127.0.0.1", "192.168.1.2"), (e) => hasCode(e, "join_failed"));
  checkJoin("127.0.0.1", "127.0.0.1");
  checkJoin("192.168.1.7", "192.168.1.2");
});
