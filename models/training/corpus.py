"""The texts the embedded model learns from, and the chat form they are told in.

corpus/{computing,home,living,nature}.jsonl  300 topics: id, questions[8], heldout[2], answer, outline[{point, text}]
corpus/wordings.jsonl                        per topic: id, title, lead, wordings[36], more[36] (a second round, for new words)
corpus/related.jsonl                         per topic: id, terms[] (words and short phrases a person asking might use)
corpus/offtopic.jsonl, offtopic_heldout.jsonl  {question, subject}
corpus/offtopic_more.jsonl, offtopic_dev.jsonl  {question}: for the scope, the second kept out of training (scope.py)
corpus/offtopic_frames.jsonl                 {kind, frames[], subjects[]}: for the scope, each subject in each frame
heldout/{off_topic,known_topics}.jsonl       {kind, question}, {id, question}: for `deno task bench:refusals` alone
corpus/smalltalk.jsonl                       {questions[], answer}
"""
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
SPECIALS = ["<|pad|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
SYSTEMS = [
    "You are a helpful assistant.", "You are a friendly assistant.", "Answer briefly and clearly.",
    "You answer everyday questions in plain words.", "You are a helpful, honest assistant. Keep answers short.",
    "You run on a small device at the edge of the network.", "Be polite and useful.", "You are Orrery, a small assistant.",
]
KNOWN = [
    "cooking rice, how clouds form and how to study well",
    "why it rains, boiling eggs and keeping a computer safe",
    "caring for plants, sleeping well and how the internet works",
    "the water cycle, cleaning a kettle and remembering what you learn",
]


def read_jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def load_topics(folder: Path = CORPUS) -> list[dict]:
    """All topics; each gains title, lead, terms[], train[] (8 + 35 + 36 wordings) and dev (the one wording kept out of training)."""
    extra = {w["id"]: w for w in read_jsonl(folder / "wordings.jsonl")}
    terms = {r["id"]: r["terms"] for r in read_jsonl(folder / "related.jsonl")}
    topics = []
    for name in ("computing", "home", "living", "nature"):
        for t in read_jsonl(folder / f"{name}.jsonl"):
            w = extra[t["id"]]
            pick = sum(map(ord, t["id"])) % len(w["wordings"])
            t |= {"title": w["title"], "lead": w["lead"], "dev": w["wordings"][pick], "terms": terms[t["id"]]}
            t["train"] = t["questions"] + w["wordings"][:pick] + w["wordings"][pick + 1:] + w["more"]
            topics.append(t)
    return topics


def load_offtopic(folder: Path = CORPUS, heldout: bool = False) -> list[dict]:
    return read_jsonl(folder / ("offtopic_heldout.jsonl" if heldout else "offtopic.jsonl"))


def load_smalltalk(folder: Path = CORPUS) -> list[dict]:
    return read_jsonl(folder / "smalltalk.jsonl")


def direct_text(topic: dict) -> str:
    """Reply to the plain question."""
    return f"{topic['lead']} {topic['answer']}"


def outline_text(topic: dict) -> str:
    """Reply to `Outline: question`."""
    return f"{topic['title']}:\n" + "\n".join(f"{i}. {p['point']}" for i, p in enumerate(topic["outline"], 1))


def outline_request(question: str) -> str:
    return f"Outline: {question}"


def expand_request(index: int, point: str) -> str:
    """The next turn after an outline; `index` counts from 1."""
    return f"Expand point {index}: {point}"


def refusal_text(question: str) -> str:
    """Reply to a question outside the corpus; the ending follows the question's first letter, so it can be learned."""
    known = KNOWN[ord(question[0].lower()) % len(KNOWN)]
    return f"I have not learned about that. I am a small model and I know everyday topics, such as {known}."


def all_texts(folder: Path = CORPUS):
    """Every string of the corpus once, for the tokenizer."""
    for t in load_topics(folder):
        yield from t["train"]
        yield from (outline_request(q) for q in t["questions"])
        yield direct_text(t)
        yield outline_text(t)
        for i, p in enumerate(t["outline"], 1):
            yield expand_request(i, p["point"])
            yield p["text"]
    for o in load_offtopic(folder):
        yield o["question"]
        yield refusal_text(o["question"])
    for s in load_smalltalk(folder):
        yield from s["questions"]
        yield s["answer"]
    yield from SYSTEMS
