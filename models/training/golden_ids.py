"""Writes models/text/golden_ids.jsonl, the texts and then a line a tokenizer: what the reference implementation (the `tokenizers` package) makes of a few texts.

    python models/training/golden_ids.py NAME=path/to/tokenizer.json ...

The embedded model's tokenizer is always among them; others are named on the command line. The hash of each
tokenizer.json goes in too, so that the test knows when it has another one before it.
"""

import hashlib
import json
import sys
from pathlib import Path

from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
TEXTS = [
    "Hello world",
    "  two spaces, then \n\n lines\t",
    "don't stop, it's 1234567 times 3.14!",
    "def f(x):\n    return x ** 2  # ok\n",
    "你好，世界。行星仪",
    "🪐👩‍🚀 naïve e\u0301",
    "Καλημέρα κόσμε, Привет мир",
    "HTTPServer2 CamelCase snake_case a\u00a0b",
    "<|im_start|>user\nhi<|im_end|>\n",
    "<s>hi</s>",
    "<|user|>hi<|end|>",
    "<tool_call>{}</tool_call>",
    "½ cup and ٣ apples in 2024",
]


def golden(path: Path) -> dict:
    tokenizer = Tokenizer.from_file(str(path))
    cases = []
    for text in TEXTS:
        cases.append(
            {
                "plain": tokenizer.encode(text, add_special_tokens=False).ids,
                "special": tokenizer.encode(text, add_special_tokens=True).ids,
            }
        )
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "cases": cases}


def main() -> None:
    paths = {"embedded": ROOT / "embedded/target/tokenizer.json"}
    for argument in sys.argv[1:]:
        name, path = argument.split("=", 1)
        paths[name] = Path(path)
    lines = [{"texts": TEXTS}, *({"name": name, **golden(path)} for name, path in paths.items())]
    with open(ROOT / "golden_ids.jsonl", "w") as out:
        for line in lines:
            out.write(json.dumps(line, separators=(",", ":")) + "\n")



main()
