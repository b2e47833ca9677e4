"""The clients in Python at a node, feature by feature.

    python_checks.py URL MODEL

prints a line of JSON for each check: {"client", "feature", "ms", "error"}.
"""

import io
import json
import os
import sys
import time

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # asks nobody for a list of prices
import litellm  # noqa: E402
import openai  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from typing import Literal  # noqa: E402

litellm.suppress_debug_info = True
URL, MODEL = sys.argv[1:3]
QUESTION = "Why does it rain?"
MESSAGES = [{"role": "user", "content": QUESTION}]
TOOL = "get_weather"
TOOLS = [{
    "type": "function",
    "function": {
        "name": TOOL,
        "description": "Tells the weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Rome", "Oslo"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}]
# One call, greedily: the embedded model would call again and again.
ONE_CALL = {
    "tools": TOOLS,
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "temperature": 0,
}
TOOL_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": TOOL, "arguments": '{"city":"Rome"}'},
}
WITH_RESULT = [
    *MESSAGES,
    {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "rainy"},
]


class Weather(BaseModel):
    """The object that structured answers must be."""

    weather: Literal["sunny", "rainy"]
    sure: bool


def check_text(text):
    assert isinstance(text, str) and text, f"no text: {text!r}"
    assert "tool_call" not in text, text


def check_call(call):
    assert call.function.name == TOOL, call
    assert json.loads(call.function.arguments)["city"] in ("Rome", "Oslo"), call


def refused(kind, ask):
    try:
        ask()
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}, the request was answered")


class OpenAIChecks:
    """OpenAI's own client."""

    client = openai.OpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0, timeout=60)

    def create(self, messages=MESSAGES, **more):
        return self.client.chat.completions.create(model=MODEL, messages=messages, **more)

    def models(self):
        assert MODEL in [model.id for model in self.client.models.list()]

    def answer(self):
        check_text(self.create().choices[0].message.content)

    def stream(self):
        chunks = [chunk for chunk in self.create(stream=True)]
        check_text("".join(c.choices[0].delta.content or "" for c in chunks if c.choices))

    def usage(self):
        chunks = list(self.create(stream=True, stream_options={"include_usage": True}))
        assert chunks[-1].usage.completion_tokens > 0

    def logprobs(self):
        answer = self.create(logprobs=True, top_logprobs=2, max_tokens=4)
        assert len(answer.choices[0].logprobs.content) == 4

    def completions(self):
        answer = self.client.completions.create(model=MODEL, prompt="The sea", max_tokens=4)
        check_text(answer.choices[0].text)

    def json_schema(self):
        answer = self.client.chat.completions.parse(
            model=MODEL, messages=MESSAGES, response_format=Weather
        )
        assert isinstance(answer.choices[0].message.parsed, Weather)

    def json_schema_stream(self):
        with self.client.chat.completions.stream(
            model=MODEL, messages=MESSAGES, response_format=Weather
        ) as stream:
            final = stream.get_final_completion()
        assert isinstance(final.choices[0].message.parsed, Weather)

    def tool_call(self):
        answer = self.create(**ONE_CALL)
        check_call(answer.choices[0].message.tool_calls[0])

    def tool_stream(self):
        arguments, name, text = "", "", ""
        for chunk in self.create(**ONE_CALL, stream=True):
            delta = chunk.choices[0].delta if chunk.choices else None
            for call in (delta and delta.tool_calls) or []:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
            text += (delta and delta.content) or ""
        assert name == TOOL and text == "", (name, text)
        assert json.loads(arguments)["city"] in ("Rome", "Oslo")

    def tool_loop(self):
        answer = self.create(WITH_RESULT, tools=TOOLS, tool_choice="none")
        check_text(answer.choices[0].message.content)

    def tool_none(self):
        answer = self.create(tools=TOOLS, tool_choice="none")
        check_text(answer.choices[0].message.content)

    def embeddings(self):
        answer = self.client.embeddings.create(model=MODEL, input=[QUESTION, "The sea"])
        assert len(answer.data) == 2 and len(answer.data[0].embedding) > 8

    def responses(self):
        check_text(self.client.responses.create(model=MODEL, input=QUESTION).output_text)

    def responses_stream(self):
        types = [
            event.type
            for event in self.client.responses.create(model=MODEL, input=QUESTION, stream=True)
        ]
        assert types[0] == "response.created" and types[-1] == "response.completed", types

    def files(self):
        content = b'{"a":1}\n'
        file = self.client.files.create(
            file=("one.jsonl", io.BytesIO(content)), purpose="batch"
        )
        assert self.client.files.content(file.id).read() == content
        assert file.id in [each.id for each in self.client.files.list()]
        assert self.client.files.delete(file.id).deleted

    def batches(self):
        body = {"model": MODEL, "messages": MESSAGES, "max_tokens": 2}
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
        file = self.client.files.create(
            file=("in.jsonl", io.BytesIO(json.dumps(line).encode())), purpose="batch"
        )
        batch = self.client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        while batch.status not in ("completed", "failed", "expired", "cancelled"):
            time.sleep(0.05)
            batch = self.client.batches.retrieve(batch.id)
        assert batch.status == "completed", batch
        out = json.loads(self.client.files.content(batch.output_file_id).read())
        assert out["custom_id"] == "a" and out["response"]["status_code"] == 200, out

    def errors(self):
        refused(openai.BadRequestError, lambda: self.create(temperature=9))
        wrong = lambda: self.client.chat.completions.create(model="nobody", messages=MESSAGES)  # noqa: E731
        refused(openai.NotFoundError, wrong)


class LiteLLMChecks:
    """LiteLLM by its OpenAI-compatible provider."""

    def create(self, messages=MESSAGES, **more):
        return litellm.completion(
            model=f"openai/{MODEL}",
            messages=messages,
            api_base=f"{URL}/v1",
            api_key="none",
            num_retries=0,
            max_retries=0,
            timeout=60,
            **more,
        )

    def answer(self):
        check_text(self.create().choices[0].message.content)

    def stream(self):
        chunks = list(self.create(stream=True))
        check_text("".join(c.choices[0].delta.content or "" for c in chunks if c.choices))

    def usage(self):
        chunks = list(self.create(stream=True, stream_options={"include_usage": True}))
        assert any(getattr(c, "usage", None) and c.usage.completion_tokens > 0 for c in chunks)

    def json_schema(self):
        answer = self.create(response_format=Weather)
        Weather.model_validate_json(answer.choices[0].message.content)

    def tool_call(self):
        answer = self.create(**ONE_CALL)
        check_call(answer.choices[0].message.tool_calls[0])

    def tool_stream(self):
        chunks = list(self.create(**ONE_CALL, stream=True))
        answer = litellm.stream_chunk_builder(chunks, messages=MESSAGES)
        check_call(answer.choices[0].message.tool_calls[0])

    def tool_loop(self):
        answer = self.create(WITH_RESULT, tools=TOOLS, tool_choice="none")
        check_text(answer.choices[0].message.content)

    def embeddings(self):
        answer = litellm.embedding(
            model=f"openai/{MODEL}",
            input=[QUESTION],
            api_base=f"{URL}/v1",
            api_key="none",
            encoding_format="float",
        )
        assert len(answer.data[0]["embedding"]) > 8

    def responses(self):
        answer = litellm.responses(
            model=f"openai/{MODEL}", input=QUESTION, api_base=f"{URL}/v1", api_key="none"
        )
        check_text(answer.output_text)

    def errors(self):
        refused(litellm.BadRequestError, lambda: self.create(temperature=9))
        long = [{"role": "user", "content": "word " * 40_000}]
        refused(litellm.ContextWindowExceededError, lambda: self.create(long))


def main():
    for client, checks in (("openai (Python)", OpenAIChecks()), ("LiteLLM", LiteLLMChecks())):
        for feature, check in type(checks).__dict__.items():
            if feature.startswith("_") or feature in ("create", "client"):
                continue
            began = time.monotonic()
            error = None
            try:
                check(checks)
            except Exception as thrown:  # noqa: BLE001 -- whatever it is, the cell fails
                error = f"{type(thrown).__name__}: {thrown}"[:600]
            ms = (time.monotonic() - began) * 1000
            print(json.dumps({"client": client, "feature": feature, "ms": ms, "error": error}))


main()
