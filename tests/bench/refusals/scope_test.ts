import assert from "node:assert/strict";
import { ModelScope } from "../../../models/mod.ts";
import { readDevWordings, readOffTopicDev } from "./questions.ts";

const FILE = new URL("../../../models/embedded/target/generation_config.json", import.meta.url);
const LOG = new URL("../../../models/training/scope.log", import.meta.url);

Deno.test("ModelScope.covers() refuses the questions that scope.py chose by as often as its log says", async () => {
  const scope = ModelScope.fromConfig(JSON.parse(await Deno.readTextFile(FILE)), FILE.pathname)!;
  const refused = (questions: readonly string[]) =>
    questions.filter((question) => !scope.covers(question)).length / questions.length;
  // "rounded loss 0.313 ... at 2/5/10 % false refusals: 0.801 (-1.65) 0.854 (-0.41) 0.907 (0.87) ..."
  const last = (await Deno.readTextFile(LOG)).trim().split("\n").at(-1)!;
  const [, share] = /(0\.\d+) \(-?[\d.]+\) \d+ s CPU$/.exec(last)!;
  assert.equal(refused(await readOffTopicDev()).toFixed(3), share);
  assert.equal(refused(await readDevWordings()).toFixed(2), "0.10");
});
