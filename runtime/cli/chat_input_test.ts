import assert from "node:assert/strict";
import { join } from "node:path";
import { AnswerPrinter, closingLine } from "./answer_printer.ts";
import { ChatHistory, historyFolder } from "./chat_history.ts";
import { chatCommand, QuestionLines } from "./chat_input.ts";

Deno.test("QuestionLines puts lines together to questions", () => {
  const lines = new QuestionLines();
  assert.equal(lines.add("one line"), "one line");
  assert.equal(lines.add("goes \\"), undefined);
  assert.ok(lines.open);
  assert.equal(lines.add("on"), "goes \non");
  assert.equal(lines.add('"""first'), undefined);
  assert.equal(lines.add("/help is text here \\"), undefined);
  assert.equal(lines.add('last"""'), "first\n/help is text here \\\nlast");
  assert.equal(lines.add('"""all at once"""'), "all at once");
  assert.ok(!lines.open);
});

Deno.test("chatCommand() knows commands, and takes everything else for a question", () => {
  assert.deepEqual(chatCommand("/help"), { state: "help" });
  assert.deepEqual(chatCommand(" /clear "), { state: "clear" });
  assert.deepEqual(chatCommand("/mode outline"), { state: "mode", mode: "outline" });
  assert.deepEqual(chatCommand("/mode"), { state: "show mode" });
  assert.deepEqual(chatCommand("/mode outlin"), {
    state: "wrong",
    why: 'there is no mode "outlin": did you mean outline?',
  });
  assert.deepEqual(chatCommand("/cler"), {
    state: "wrong",
    why: "there is no /cler: did you mean /clear?",
  });
  assert.equal(chatCommand("/etc/hosts is what?"), undefined);
  assert.equal(chatCommand("why / how?"), undefined);
});

Deno.test("ChatHistory keeps questions in a file of its owner, the newest first", async () => {
  const data = await Deno.makeTempDir({ prefix: "orrery-test-" });
  try {
    const history = new ChatHistory(historyFolder(data));
    assert.deepEqual(history.read(), []);
    history.write(["second", "first\nwith a line"]);
    assert.deepEqual(history.read(), ["second", "first with a line"]);
    if (Deno.build.os !== "windows") {
      assert.equal(Deno.statSync(history.path!).mode! & 0o777, 0o600);
    }
    history.write(Array.from({ length: 600 }, (_, i) => `${i}`));
    assert.equal(history.read().length, 500);
    assert.equal(history.read()[0], "0");
    await Deno.writeTextFile(join(data, "file"), "");
    new ChatHistory(join(data, "file")).write(["no folder can be made there"]);
    const none = new ChatHistory(historyFolder(undefined));
    none.write(["nobody says where"]);
    assert.deepEqual([none.path, none.read()], [undefined, []]);
  } finally {
    await Deno.remove(data, { recursive: true });
  }
});

Deno.test("AnswerPrinter prints a text as it is where stdout is no terminal", () => {
  const printer = new AnswerPrinter(undefined);
  assert.equal(printer.piece({ text: "a  b\n\x1b[1m" }), "a  b\n\x1b[1m");
  assert.equal(printer.end(), "\n");
  assert.equal(new AnswerPrinter(undefined).end(), "");
  const narrow = new AnswerPrinter({ columns: 10, rows: 5 });
  const printed = narrow.piece({ text: "one two three" });
  assert.equal(printed + narrow.end(), "one two\nthree\n");
  assert.equal(narrow.text, "one two three");
});

Deno.test("closingLine() tells the time to the first token, speed, mode and drafts", () => {
  const made = {
    mode: "speculative",
    ttft_ms: 12.3,
    tokens_per_s: 45.27,
    drafted: 57,
    accepted: 53,
  };
  assert.equal(
    closingLine({ finishReason: "stop", made }),
    "(first token 12 ms, 45.3 tokens/s, speculative, 93 % of 57 drafts accepted)",
  );
  const plain = { ...made, mode: "plain", ttft_ms: 1500, drafted: 0, accepted: 0 };
  assert.equal(
    closingLine({ finishReason: "length", made: plain }),
    "(first token 1.50 s, 45.3 tokens/s, plain, cut at the token limit, see --max-tokens)",
  );
  assert.equal(closingLine({ finishReason: "stop" }), "");
});
