import assert from "node:assert/strict";
import { ChatTemplate } from "./chat.ts";

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

Deno.test("ChatTemplate.fromConfig() takes a list of templates and prefers chat_template.jinja", () => {
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

Deno.test("ChatTemplate.render() writes roles and texts when the model has no template", () => {
  const chat = ChatTemplate.fromConfig({});
  assert.equal(chat.own, false);
  assert.equal(
    chat.render([{ role: "system", content: "Be brief" }, ...MESSAGES]),
    "System: Be brief\n\nUser: hi\n\nAssistant:",
  );
});

Deno.test("ChatTemplate.render() writes dates in English and throws what a template refuses", () => {
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

Deno.test("ChatTemplate.renderMarked() counts the name of a known role as the template's text, and no other", () => {
  const chat = ChatTemplate.fromConfig({
    chat_template: "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}",
  });
  assert.deepEqual(chat.renderMarked(MESSAGES), { text: "<|user|>hi", marks: "0000000011" });
  assert.equal(chat.renderMarked([{ role: "end", content: "" }]).marks, "0011100");
});

Deno.test("ChatTemplate.renderMarked() ends with the last message's text where the answer goes on with it", () => {
  const chat = (text: string) =>
    ChatTemplate.fromConfig({
      chat_template: `{% for m in messages %}[{{ m.role }}]${text}</s>{% endfor %}` +
        "{% if add_generation_prompt %}[assistant]{% endif %}",
    });
  const messages = (content: string) => [...MESSAGES, { role: "assistant", content }];
  const options = { continueFinalMessage: true };
  const kept = chat("{{ m.content }}").renderMarked(messages(" hi, the "), options);
  assert.equal(kept.text, "[user]hi</s>[assistant] hi, the ");
  assert.equal(kept.marks.length, kept.text.length);
  assert.ok(kept.marks.endsWith("0" + "1".repeat(9)));
  // As transformers does it, spaces that the template leaves out are left out.
  const trimmed = chat("{{ m.content | trim }}").render(messages(" hi, the "), options);
  assert.equal(trimmed, "[user]hi</s>[assistant]hi, the");
  for (const content of ["", " \n"]) {
    assert.throws(() => chat("{{ m.content }}").render(messages(content), options), {
      code: "chat_template_failed",
      message: /cannot be continued/,
    });
  }
  assert.throws(() => chat("{{ m.content | upper }}").render(messages("the"), options), {
    code: "chat_template_failed",
  });
});
