/**
 * The chat formats of the families, roles of tools and system included: short templates in their
 * public formats, and what they must give.
 */
import assert from "node:assert/strict";
import { ChatTemplate } from "./chat.ts";

const SYSTEM = { role: "system", content: "Be brief" };
const TURN = [{ role: "user", content: " hi " }, { role: "assistant", content: "yes" }, {
  role: "user",
  content: "why?",
}];
const TOOL = { type: "function", function: { name: "weather", parameters: { type: "object" } } };
const CALL = {
  role: "assistant",
  content: null,
  tool_calls: [{ type: "function", function: { name: "weather", arguments: { city: "Rome" } } }],
};
const RESULT = { role: "tool", content: "sunny" };

const LLAMA3 = `{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + strftime_now("%d %b %Y") + "\\n\\n" }}
{%- if tools is not none and tools is defined %}
    {{- "Functions:\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls | length == 1 %}{{- raise_exception("one tool call at once") }}{%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
        {{- '{"name": "' + tool_call.name + '", ' + '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}<|eot_id|>" }}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}`;

const CHATML = `{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- "<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}`;

const MISTRAL = `{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token }}
    {%- endif %}
{%- endfor %}`;

const GEMMA =
  "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" +
  "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}" +
  "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}" +
  "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}" +
  "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}";

const PHI3 =
  "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}" +
  "{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}" +
  "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}";

const chat = (chat_template: string, bos_token: string | null, eos_token: string) =>
  ChatTemplate.fromConfig({ chat_template, bos_token, eos_token });

Deno.test("ChatTemplate.render() writes Llama 3's headers, tools and tool results", () => {
  const llama = chat(LLAMA3, "<|begin_of_text|>", "<|eot_id|>");
  const now = new Date(2026, 4, 3);
  const head =
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday Date: 03 May 2026\n\n";
  const said = (role: string, text: string) =>
    `<|start_header_id|>${role}<|end_header_id|>\n\n${text}<|eot_id|>`;
  const open = "<|start_header_id|>assistant<|end_header_id|>\n\n";
  const turn = said("user", "hi") + said("assistant", "yes") + said("user", "why?");
  assert.equal(llama.render([SYSTEM, ...TURN], { now }), `${head}Be brief<|eot_id|>${turn}${open}`);
  assert.equal(llama.render(TURN, { now, addGenerationPrompt: false }), `${head}<|eot_id|>${turn}`);
  const json = JSON.stringify(TOOL, null, 4);
  assert.equal(
    llama.render([TURN[0], CALL, RESULT], { now, tools: [TOOL] }),
    `${head}Functions:\n${json}\n\n<|eot_id|>${said("user", "hi")}` +
      said("assistant", '{"name": "weather", "parameters": {"city": "Rome"}}') +
      said("ipython", "sunny") +
      open,
  );
  const two = { ...CALL, tool_calls: [...CALL.tool_calls, ...CALL.tool_calls] };
  assert.throws(() => llama.render([two], { now }), {
    code: "chat_template_failed",
    message: /one tool call at once/,
  });
});

Deno.test("ChatTemplate.render() writes ChatML with tools, tool results and switches", () => {
  const qwen = chat(CHATML, null, "<|im_end|>");
  const said = (role: string, text: string) => `<|im_start|>${role}\n${text}<|im_end|>\n`;
  const turn = said("user", " hi ") + said("assistant", "yes") + said("user", "why?");
  assert.equal(
    qwen.render([SYSTEM, ...TURN]),
    said("system", "Be brief") + turn + "<|im_start|>assistant\n",
  );
  assert.equal(
    qwen.render(TURN, { variables: { enable_thinking: false } }),
    `${turn}<|im_start|>assistant\n<think>\n\n</think>\n\n`,
  );
  const tool =
    '{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}';
  assert.equal(
    qwen.render([SYSTEM, TURN[0], CALL, RESULT, RESULT], { tools: [TOOL] }),
    said("system", `Be brief\n\n<tools>\n${tool}\n</tools>`) + said("user", " hi ") +
      said(
        "assistant",
        '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>',
      ) +
      said(
        "user",
        "<tool_response>\nsunny\n</tool_response>\n<tool_response>\nsunny\n</tool_response>",
      ) +
      "<|im_start|>assistant\n",
  );
});

Deno.test("ChatTemplate.render() writes Mistral's instructions and refuses two users in a row", () => {
  const mistral = chat(MISTRAL, "<s>", "</s>");
  assert.equal(
    mistral.render([SYSTEM, ...TURN]),
    "<s>[INST]  hi [/INST] yes</s>[INST] Be brief\n\nwhy?[/INST]",
  );
  assert.throws(() => mistral.render([TURN[0], TURN[0]]), {
    code: "chat_template_failed",
    message: /must alternate/,
  });
});

Deno.test("ChatTemplate.render() writes Gemma's turns and refuses a system role", () => {
  const gemma = chat(GEMMA, "<bos>", "<eos>");
  const turn = (role: string, text: string) => `<start_of_turn>${role}\n${text}<end_of_turn>\n`;
  assert.equal(
    gemma.render(TURN),
    `<bos>${turn("user", "hi")}${turn("model", "yes")}${
      turn("user", "why?")
    }<start_of_turn>model\n`,
  );
  assert.throws(() => gemma.render([SYSTEM, ...TURN]), {
    code: "chat_template_failed",
    message: /System role not supported/,
  });
});

Deno.test("ChatTemplate.render() writes Phi-3's turns", () => {
  const phi = chat(PHI3, "<s>", "<|endoftext|>");
  const turn =
    "<|system|>\nBe brief<|end|>\n<|user|>\n hi <|end|>\n<|assistant|>\nyes<|end|>\n<|user|>\nwhy?<|end|>\n";
  assert.equal(phi.render([SYSTEM, ...TURN]), turn + "<|assistant|>\n");
  assert.equal(
    phi.render([SYSTEM, ...TURN], { addGenerationPrompt: false }),
    turn + "<|endoftext|>",
  );
});
