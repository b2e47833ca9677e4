import assert from "node:assert/strict";
import fc from "fast-check";
import { join } from "node:path";
import { TINY_SPECIALS, writeTinyCheckpoint } from "../../tests/support/tiny_checkpoint.ts";
import { skipAbsent } from "../../tests/support/absent.ts";
import { ChatTemplate, StopMatcher, TextStream, Tokenizer } from "../mod.ts";
import { readJsonFile } from "../files.ts";

const root = join(import.meta.dirname!, "..", "..");
const shared = join(root, "../shared/data");

async function tiny(): Promise<Tokenizer> {
  const dir = await Deno.makeTempDir();
  try {
    await writeTinyCheckpoint(dir, { layers: 1 });
    return await Tokenizer.load(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const SAMPLES = [
  "Hello world",
  "  two spaces, then \n\n lines\t",
  "你好，世界。行星仪显示每颗行星",
  "🪐🌍👩‍🚀👨‍👩‍👧‍👦🏳️‍🌈 x",
  "e\u0301 n\u0303 \u1100\u1161\u11a8 \u0915\u094d\u0937",
  "\u{1F600}a\u{10FFFD}\u{20000}",
  "don't . stop , now ? it 's !",
];

/**
 * Every push in order; asserts that none shows half a character, unless the ids themselves do (a
 * byte without a token).
 */
function streamed(tokenizer: Tokenizer, ids: number[], whole: string): string {
  const stream = new TextStream(tokenizer);
  const pieces = ids.map((id) => stream.push(id));
  for (const piece of pieces) {
    assert.ok(piece.isWellFormed(), JSON.stringify(piece));
    assert.ok(whole.includes("\uFFFD") || !piece.includes("\uFFFD"), JSON.stringify(piece));
  }
  return pieces.join("") + stream.flush();
}

const FETCHED = ["SmolLM2-135M-Instruct", "Qwen2.5", "Llama-2"];
const TOKENIZERS: [name: string, load: () => Promise<Tokenizer | undefined>][] = [
  ["the tiny tokenizer", tiny],
  ["the pilot tokenizer", () => loadIfThere(join(shared, "pilot-model/target"))],
  ...FETCHED.map((name): [string, () => Promise<Tokenizer | undefined>] => [
    `the tokenizer of ${name}`,
    () => loadIfThere(join(shared, "fetched/tokenizers", name)),
  ]),
];

async function loadIfThere(folder: string): Promise<Tokenizer | undefined> {
  try {
    return await Tokenizer.load(folder);
  } catch (error) {
    if ((error as { code?: string }).code === "file_missing") return undefined;
    throw error;
  }
}

for (const [name, load] of TOKENIZERS) {
  Deno.test(`TextStream.push() with ${name} adds up to the whole text`, async (t) => {
    const tokenizer = await load();
    if (!tokenizer) {
      await skipAbsent(t);
      return;
    }
    const check = (text: string) => {
      const ids = tokenizer.encode(text, { addSpecialTokens: false });
      const whole = tokenizer.decode(ids);
      assert.equal(streamed(tokenizer, ids, whole), whole);
      return whole;
    };
    for (const sample of SAMPLES) {
      assert.equal(check(sample), name.includes("Qwen") ? sample.normalize("NFC") : sample);
    }
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => void check(text)),
      {
        numRuns: 150,
      },
    );
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 20 }), (text) => void check(text)),
      {
        numRuns: 100,
      },
    );
  });

  Deno.test(`TextStream.push() with ${name} survives any ids`, async (t) => {
    const tokenizer = await load();
    if (!tokenizer) {
      await skipAbsent(t);
      return;
    }
    const id = fc.oneof(fc.nat(tokenizer.vocabSize + 5), fc.nat(300));
    fc.assert(
      fc.property(fc.array(id, { maxLength: 120 }), (ids) => {
        const stream = new TextStream(tokenizer);
        const text = ids.map((id) => stream.push(id)).join("") + stream.flush();
        assert.ok(text.isWellFormed());
      }),
      { numRuns: 60 },
    );
  });
}

Deno.test("TextStream.push() holds back a character until its last byte came", async () => {
  const tokenizer = await tiny();
  const stream = new TextStream(tokenizer);
  const pushes = tokenizer.encode("é🪐!").map((id) => stream.push(id));
  assert.deepEqual(pushes, ["", "é", "", "", "", "🪐", "!"]);
  assert.equal(stream.flush(), "");
});

Deno.test("TextStream.flush() gives what never got complete", async () => {
  const tokenizer = await tiny();
  const stream = new TextStream(tokenizer);
  const [first, ...rest] = tokenizer.encode("a🪐");
  assert.equal(stream.push(first) + rest.slice(0, 2).map((id) => stream.push(id)).join(""), "a");
  assert.equal(stream.flush(), "\uFFFD");
  assert.equal(stream.flush(), "");
});

Deno.test("TextStream keeps the first word's space when it knows the prompt", async (t) => {
  const tokenizer = await loadIfThere(join(shared, "fetched/tokenizers/Llama-2"));
  if (!tokenizer) {
    await skipAbsent(t);
    return;
  }
  const prompt = tokenizer.encode("Once");
  const [id] = tokenizer.encode("upon", { addSpecialTokens: false });
  assert.equal(new TextStream(tokenizer).push(id), "upon");
  assert.equal(new TextStream(tokenizer, { context: prompt }).push(id), " upon");
});

Deno.test("Tokenizer.encode() knows special tokens and decode() leaves them out", async () => {
  const tokenizer = await tiny();
  const ids = tokenizer.encode("<|user|>hi<|end|>");
  assert.deepEqual(ids, [2, 104 + 5, 105 + 5, 1]);
  assert.equal(tokenizer.decode(ids), "hi");
  assert.equal(tokenizer.decode(ids, { skipSpecialTokens: false }), "<|user|>hi<|end|>");
  assert.deepEqual([...tokenizer.specialIds], TINY_SPECIALS.map((_, id) => id));
  assert.equal(tokenizer.vocabSize, 261);
  assert.equal(tokenizer.tokenText(ids[1]), "h");
  assert.deepEqual([tokenizer.decode([]), tokenizer.encode(""), tokenizer.decode([99999])], [
    "",
    [],
    "",
  ]);
});

Deno.test("Tokenizer.encode() adds BOS once, by the config's word before the post-processor's", async (t) => {
  const folder = join(shared, "fetched/tokenizers/Llama-2");
  if (!await loadIfThere(folder)) {
    await skipAbsent(t);
    return;
  }
  const json = await readJsonFile(join(folder, "tokenizer.json")) as Record<string, unknown>;
  const first = (config: Record<string, unknown>, text = "hi", post = json["post_processor"]) =>
    Tokenizer.fromJson({ ...json, post_processor: post }, { bos_token: "<s>", ...config }).encode(
      text,
    ).slice(
      0,
      2,
    );
  const [word] = Tokenizer.fromJson(json).encode("hi", { addSpecialTokens: false });
  assert.deepEqual(first({}), [1, word]);
  assert.deepEqual(first({ add_bos_token: false }), [word]);
  assert.deepEqual(first({ add_bos_token: true }, "hi", null), [1, word]);
  assert.deepEqual(first({}, "hi", null), [word]);
  assert.equal(first({}, "<s>hi")[1] === 1, false);
});

Deno.test("Tokenizer.fromJson() refuses what is no tokenizer", () => {
  for (
    const json of [null, {}, { model: { type: "BPE" } }, { model: { type: "Mystery", vocab: {} } }]
  ) {
    assert.throws(() => Tokenizer.fromJson(json), { code: "tokenizer_malformed" });
  }
});

Deno.test("StopMatcher.push() finds the same stop however the text is cut", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 24 });
  const stops = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 }),
    {
      maxLength: 3,
    },
  );
  fc.assert(
    fc.property(
      letters,
      stops,
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
      (text, stops, cuts) => {
        const run = (sizes: number[]) => {
          const matcher = new StopMatcher(stops);
          let shown = "", stop: string | undefined;
          for (
            let at = 0, i = 0;
            at < text.length && stop === undefined;
            at += sizes[i++ % sizes.length]
          ) {
            const result = matcher.push(text.slice(at, at + sizes[i % sizes.length]));
            shown += result.text;
            stop = result.stop;
          }
          return { shown: shown + matcher.flush(), stop };
        };
        const whole = run([100]);
        assert.deepEqual(run(cuts), whole);
        assert.deepEqual(run([1]), whole);
        assert.equal(stops.some((stop) => whole.shown.includes(stop)), false);
        assert.ok(text.startsWith(whole.shown + (whole.stop ?? "")));
        if (whole.stop === undefined) assert.equal(whole.shown, text);
      },
    ),
  );
});

Deno.test("StopMatcher.push() holds back only what may be the start of a stop string", () => {
  const matcher = new StopMatcher(["\n\nUser:"]);
  assert.deepEqual(matcher.push("yes\n"), { text: "yes" });
  assert.deepEqual(matcher.push("no\n\nUs"), { text: "\nno" });
  assert.deepEqual(matcher.push("er: x"), { text: "", stop: "\n\nUser:" });
  assert.deepEqual(matcher.push("more"), { text: "" });
});

const MESSAGES = [{ role: "user", content: "hi" }];

Deno.test("ChatTemplate.render() runs the model's template with its tokens", () => {
  const template =
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}" +
    "{% if add_generation_prompt %}>{% endif %}";
  const chat = ChatTemplate.fromConfig({ bos_token: { content: "<s>" }, chat_template: template });
  assert.equal(chat.own, true);
  assert.equal(chat.render(MESSAGES), "<s>[user]hi>");
  assert.equal(chat.render(MESSAGES, { addGenerationPrompt: false }), "<s>[user]hi");
});

Deno.test("ChatTemplate.fromConfig() takes the list form and lets chat_template.jinja go first", () => {
  const list = [{ name: "default", template: "plain" }, {
    name: "tool_use",
    template: "{{ tools | length }} tools",
  }];
  const chat = ChatTemplate.fromConfig({ chat_template: list });
  assert.equal(chat.render(MESSAGES), "plain");
  assert.equal(chat.render(MESSAGES, { tools: [{}, {}] }), "2 tools");
  assert.equal(
    ChatTemplate.fromConfig({ chat_template: "config" }, "file").render(MESSAGES),
    "file",
  );
});

Deno.test("ChatTemplate.render() falls back to a plain form", () => {
  const chat = ChatTemplate.fromConfig({});
  assert.equal(chat.own, false);
  assert.equal(
    chat.render([{ role: "system", content: "Be brief" }, ...MESSAGES]),
    "System: Be brief\n\nUser: hi\n\nAssistant:",
  );
});

Deno.test("ChatTemplate.render() tells the time in English and passes on what a template refuses", () => {
  const dated = ChatTemplate.fromConfig({ chat_template: "{{ strftime_now('%d %b %Y') }}" });
  assert.equal(dated.render(MESSAGES, { now: new Date(2026, 4, 3) }), "03 May 2026");
  const strict = ChatTemplate.fromConfig({
    chat_template: "{{ raise_exception('roles must alternate') }}",
  });
  assert.throws(() => strict.render(MESSAGES), {
    group: "model",
    code: "chat_template_failed",
    message: /roles must alternate/,
  });
  const broken = ChatTemplate.fromConfig({ chat_template: "{% for m in %}" });
  assert.throws(() => broken.render(MESSAGES), { code: "chat_template_failed" });
});
