import assert from "node:assert/strict";
import { OrreryError } from "../../actors/mod.ts";
import { unmeasuredLevel } from "./gather_profiles.ts";

Deno.test("unmeasuredLevel() warns of failures alone, not of nodes that stop", () => {
  const { signal } = new AbortController();
  const failed = (code: string) => new OrreryError({ group: "mailbox", code, message: "" });
  assert.equal(unmeasuredLevel(failed("deadline"), signal), "warn");
  assert.equal(unmeasuredLevel(new TypeError("a defect"), signal), "warn");
  assert.equal(unmeasuredLevel(failed("peer_lost"), signal), "info");
  assert.equal(unmeasuredLevel(failed("fenced"), signal), "debug");
  assert.equal(unmeasuredLevel(failed("deadline"), AbortSignal.abort()), "debug");
});
