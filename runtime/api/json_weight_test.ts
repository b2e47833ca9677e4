import assert from "node:assert/strict";
import { hasCode } from "../../actors/mod.ts";
import { checkWeight, MOST_WEIGHT } from "./json_weight.ts";

const refused = (text: string) =>
  assert.rejects(
    checkWeight(text),
    (e) => hasCode(e, "too_many_values") && e.metadata.limit === MOST_WEIGHT,
  );

Deno.test("checkWeight() refuses large texts with many values, and no others", async () => {
  const ids = (count: number) => JSON.stringify({ prompt: Array(count).fill(7777) });
  await checkWeight(ids(128_000));
  await refused(ids(160_000));
  const messages = (count: number) =>
    JSON.stringify({ messages: Array(count).fill({ role: "user", content: "hello" }) });
  await checkWeight(messages(20_000));
  await refused(messages(40_000));
  await refused("[".repeat(200_000));
});

Deno.test("checkWeight() counts nothing within texts", async () => {
  for (const part of [",[{", '\\",[{', "\\\\", '",[\\\\\\"']) {
    await checkWeight(JSON.stringify({ text: part.repeat(300_000), more: [1] }));
  }
  await checkWeight('{"text": "' + ",".repeat(400_000)); // not JSON: parsing says so
});

Deno.test("checkWeight() lets others have their turns", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await checkWeight(JSON.stringify({ text: "a,".repeat(1_500_000), more: Array(9_000).fill("x") }));
  await checkWeight(`{"text": [${"1,".repeat(70_000)}1]${" ".repeat(1_500_000)}}`);
  clearInterval(timer);
  assert.ok(turns > 2);
});
