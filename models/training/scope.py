"""Trains the scope of the embedded model: a small linear test of whether a question is about anything that it learned.

Usage: python scope.py --out ../embedded/target/generation_config.json

A question becomes features (words, pairs of words, pieces of words, marks for words that the corpus of the topics lacks), each
feature a row of a table, by its hash; the sum of the rows, times a matrix, gives a score for each topic, for small talk and for
"none of these". models/text/model_scope.ts computes the same. Nothing here changes the weights of the language model.
"""
import argparse
import base64
import json
import random
import re
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from batches import FRAMES, STOP, Maker, typo, vary
from corpus import (CORPUS, HERE, expand_request, load_offtopic, load_smalltalk, load_topics, outline_request, read_jsonl,
                    refusal_text)

TOKENS = 64                                                # tokens of a question that are looked at
COMMON = set(".,!?;:'\"()-\u2026\u201c\u201d\u201e\u00ab\u00bb\u2013\u2014\u00bf\u00a1")      # marks that any question may have
PIECES = (3, 4, 5)                                         # letters of a piece of a word
# numbers that count questions, in front of one and behind it
COUNTER_BEFORE = re.compile(r"^\s*(?:\([0-9]{1,9}\)|\[[0-9]{1,9}\]|#[0-9]{1,9}|(?:q|question |no\. ?)?[0-9]{1,9}[.):])[.):]?\s")
COUNTER_BEHIND = re.compile(r"(?:(?<=\s)(?:\([0-9/]{1,9}\)|\[[0-9/]{1,9}\]|#[0-9]{1,9})|(?<=[.?!])\s+[0-9]{1,9})\s*$")
WIDTH = 32
BUCKETS = 1 << 15
NONE = "none"


def fnv1a(text: str) -> int:
    """FNV-1a, 32 bits, over the UTF-8 bytes."""
    h = 0x811c9dc5
    for b in text.encode("utf-8"):
        h = ((h ^ b) * 0x01000193) & 0xffffffff
    return h


def tokens(text: str) -> list[str]:
    """Words of ASCII letters, `0` for a number, `@` for a mark of formulas and programs, `~` for anything else;
    a number that counts questions is left out."""
    out, text = [], text.lower().replace("\u2019", "'")
    text = COUNTER_BEHIND.sub("", COUNTER_BEFORE.sub("", text, count=1), count=1)
    for m in re.findall(r"[a-z]+(?:'[a-z]+)*|[0-9]+|[^\sa-z0-9]", text):
        if m[0] in COMMON:
            continue
        if "a" <= m[0] <= "z":
            out.append(m.replace("'", ""))
        else:
            t = "0" if m[0].isdigit() and m[0].isascii() else "@" if m.isascii() else "~"
            if not out or out[-1] != t:
                out.append(t)
        if len(out) == TOKENS:
            break
    return out


def features(words: list[str], known) -> list[str]:
    """Names of a question's features; `known(word)` tells whether the topics' corpus has a word."""
    out, spelled = [], []
    for w in words:
        letters = "a" <= w[0] <= "z"
        strange = letters and not known(w)
        spelled.append("?" if strange else w)
        out.append("w" + w)
        if strange:
            out.append("?")
        if letters and len(w) > 3:
            marked = f"<{w}>"
            for n in PIECES:
                out += ["c" + marked[i:i + n] for i in range(len(marked) - n + 1)]
    ends = ["<", *spelled, ">"]
    out += [f"p{a} {b}" for a, b in zip(ends, ends[1:])]
    return out


def bare(text: str) -> str:
    return text.lower().strip("?. !")


class Questions:
    """Draws questions with their class: a topic's number, then small talk, then none."""

    def __init__(self):
        self.topics, self.talk = load_topics(), load_smalltalk()
        self.single = load_offtopic() + read_jsonl(CORPUS / "offtopic_more.jsonl")
        self.frames = read_jsonl(CORPUS / "offtopic_frames.jsonl")
        held = {bare(r["question"]) for f in ("off_topic", "known_topics") for r in read_jsonl(HERE / "heldout" / f"{f}.jsonl")}
        held |= {bare(o["question"]) for o in load_offtopic(heldout=True) + read_jsonl(CORPUS / "offtopic_dev.jsonl")}
        answered = {bare(q) for t in self.topics for q in t["train"] + [t["dev"]] + t["heldout"]}
        answered |= {bare(q) for s in self.talk for q in s["questions"]}
        self.forbidden = held | answered                    # held out, or a question that has an answer
        tok = type("Tok", (), {"token_to_id": lambda _, s: 0})()
        self.maker = Maker(tok, self.topics, load_offtopic(), self.talk, .25)
        self.subjects = [s for f in self.frames for s in f["subjects"]]
        count = Counter(w for t in self.topics for q in t["train"] + t["terms"] for w in set(tokens(q)))
        body = Counter(w for t in self.topics for p in (t["title"], t["lead"], t["answer"], *(o["point"] + " " + o["text"]
                       for o in t["outline"])) for w in tokens(p))
        talk = Counter(w for s in self.talk for q in s["questions"] for w in tokens(q))
        self.count = count
        self.words = {w for w in set(count) | set(body) | set(talk) if w[0].isalpha()}
        self.rare = {w for w in self.words if count[w] + body[w] + talk[w] == 1}

    def none(self) -> str:
        while True:
            q = self._none()
            if q and bare(q) not in self.forbidden:
                return vary(q) if random.random() < .6 and len(q.split()) > 1 else q

    def _none(self) -> str:
        r = random.random()
        if r < .32:
            f = self.maker.next("frames", self.frames)
            return random.choice(f["frames"]).format(self.maker.next("f" + f["kind"], f["subjects"]))
        if r < .76:
            return self.maker.next("single", self.single)["question"]
        if r < .80:                                        # a subject in a frame of another kind
            return random.choice(random.choice(self.frames)["frames"]).format(random.choice(self.subjects))
        if r < .84:                                        # the beginning of a known question, the end of another one
            a, b = random.choice(random.choice(self.topics)["train"]).split(), random.choice(self.subjects)
            return " ".join(a[:random.randint(1, 3)] + [b])
        if r < .90:
            return strange_words(self.maker)
        if r < .94:
            return sums()
        t = random.choice(self.topics)                     # a known subject, and what cannot be done with it
        s = random.choice([t["title"].lower(), random.choice(t["terms"])])
        return random.choice(["write a poem about {}", "a joke about {}", "who invented {}", "{} in French", "translate {} to German",
                              "buy {} online", "price of {}", "a song about {}", "a story about {}", "best brand of {}",
                              "what is the record for {}", "a film about {}", "code for {} in Python", "draw {}"]).format(s)

    def draw(self) -> tuple[str, int]:
        r = random.random()
        if r < .5:
            i = self.maker.next("topic", range(len(self.topics)))
            return self.maker.question(self.topics[i]), i
        if r < .54:
            s = self.maker.next("talk", self.talk)
            q = self.maker.next("t" + s["answer"], s["questions"])
            return (vary(q) if random.random() < .5 else q), len(self.topics)
        return self.none(), len(self.topics) + 1


def strange_words(maker) -> str:
    """A question with made-up words, or letters without sense."""
    part = lambda: random.choice("b bl br c cl d dr f fl g gr h j k l m n p pl qu r s sn sp t tr v w z".split()) + \
        random.choice("a e i o u oo ee ai".split()) + random.choice("b g k l m n p r t x zz ck mp nd rt".split())
    word = lambda: part() + (part() if random.random() < .5 else "") + random.choice(["", "", "le", "er", "ium", "o", "ing"])
    r = random.random()
    if r < .2:
        return "".join(random.choice("qwertyuiopasdfghjklzxcvbnm") for _ in range(random.randint(3, 12)))
    if r < .4:
        return " ".join(word() for _ in range(random.randint(1, 4)))
    if r < .8:
        return random.choice(FRAMES + ["what do {} eat", "how do I repair a {}", "who was {}", "where is {}"]).format(word())
    t = random.choice(random.choice(maker.topics)["train"]).split()
    keep = [w if w.lower() in STOP else word() for w in t]
    return " ".join(keep) if any(k != w for k, w in zip(keep, t)) else word()


def sums() -> str:
    n = lambda: str(random.choice([random.randint(0, 12), random.randint(0, 999), round(random.random() * 50, 1)]))
    return random.choice(["{}+{}", "{} * {}", "what is {} times {}", "what is {} plus {}", "{} divided by {}", "solve {}x + {} = 0",
                          "{} percent of {}", "x^2 - {}x + {} = 0", "convert {} miles to km plus {}", "is {} larger than {}", "{}-{}=?",
                          "square root of {}{}", "{} euros for {} people", "the sum of {} and {}"]).format(n(), n())


class Scope(torch.nn.Module):
    def __init__(self, classes: int):
        super().__init__()
        self.rows = torch.nn.EmbeddingBag(BUCKETS, WIDTH, mode="sum")
        torch.nn.init.normal_(self.rows.weight, 0, .05)
        self.head = torch.nn.Linear(WIDTH, classes)

    def forward(self, flat, starts, counts):
        return self.head(self.rows(flat, starts) / counts[:, None].sqrt())


def batch(names: list[list[str]], cache: dict, drop: float = 0.0):
    """The features' rows, where each question's begin, and their numbers; a share `drop` of the features is left out."""
    if drop:
        names = [[n for n in f if random.random() >= drop] or f for f in names]
    ids, starts = [], []
    for f in names:
        starts.append(len(ids))
        for n in f:
            h = cache.get(n)
            if h is None:
                h = cache[n] = fnv1a(n) % BUCKETS
            ids.append(h)
    return torch.tensor(ids), torch.tensor(starts), torch.tensor([max(1, len(f)) for f in names], dtype=torch.float32)


def margins(model, qs, texts, cache) -> list[float]:
    """Best score of a class with an answer less that of none, per question."""
    with torch.no_grad():
        y = model(*batch([features(tokens(t), qs.words.__contains__) for t in texts], cache))
    return (y[:, :-1].max(1).values - y[:, -1]).tolist()


def rounded(model) -> dict:
    """The table in 8 bits and the rest as it is exported; the model gets the rounded values back."""
    w = model.rows.weight.detach().clone().numpy()
    step = float(np.abs(w).max() / 127)
    q = np.clip(np.round(w / step), -127, 127).astype(np.int8)
    head = model.head.weight.detach().numpy()
    hstep = float(np.abs(head).max() / 127)
    hq = np.clip(np.round(head / hstep), -127, 127).astype(np.int8)
    with torch.no_grad():
        model.rows.weight.copy_(torch.tensor(q.astype(np.float32) * step))
        model.head.weight.copy_(torch.tensor(hq.astype(np.float32) * hstep))
    return dict(rows=q, rows_step=step, head=hq, head_step=hstep, bias=[round(float(b), 5) for b in model.head.bias.detach()])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=Path, required=True, help="generation_config.json that gets the scope")
    ap.add_argument("--dev", type=Path, default=CORPUS / "offtopic_dev.jsonl", help="off-topic questions to choose settings by")
    ap.add_argument("--draws", type=int, default=384_000, help="questions drawn in all")
    ap.add_argument("--batch", type=int, default=256)
    ap.add_argument("--drop", type=float, default=.2, help="share of a question's features that training leaves out")
    ap.add_argument("--lr", type=float, default=.01)
    ap.add_argument("--false-refusals", type=float, default=.1, help="share of the dev wordings that may be refused")
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    random.seed(a.seed)
    qs, cache, start = Questions(), {}, time.process_time()
    classes = len(qs.topics) + 2
    model = Scope(classes)
    optim = torch.optim.Adam(model.parameters(), lr=a.lr)
    steps = a.draws // a.batch
    dev = [t["dev"] for t in qs.topics]
    off = [r["question"] for r in read_jsonl(a.dev)]
    losses = []

    def known(word):
        """In training, a word that one wording alone has is at times strange, as it would be without that wording."""
        return word in qs.words and not (word in qs.rare and random.random() < .7)

    def report(name):
        k, o = sorted(margins(model, qs, dev, cache)), margins(model, qs, off, cache)
        with torch.no_grad():
            y = model(*batch([features(tokens(t), qs.words.__contains__) for t in dev], cache))
        right = (y.argmax(1) == torch.arange(len(dev))).float().mean().item()
        at = [k[int(len(k) * s)] for s in (.02, .05, .1)]
        print(f"{name} loss {np.mean(losses[-200:]):.3f} dev topic {right:.3f} refused of dev off-topic at 2/5/10 % false refusals: "
              + " ".join(f"{sum(m < t for m in o) / max(1, len(o)):.3f} ({t:.2f})" for t in at)
              + f" {time.process_time() - start:.0f} s CPU", flush=True)
        return at

    for step in range(steps):
        drawn = [qs.draw() for _ in range(a.batch)]
        x = batch([features(tokens(q), known) for q, _ in drawn], cache, a.drop)
        y = torch.tensor([c for _, c in drawn])
        for g in optim.param_groups:
            g["lr"] = a.lr * min(1, (step + 1) / 50) * (1 - step / steps) + 1e-5
        loss = F.cross_entropy(model(*x), y)
        optim.zero_grad()
        loss.backward()
        optim.step()
        losses.append(loss.item())
        if step % 250 == 249:
            report(f"step {step + 1} of {steps}")
    told = rounded(model)
    report("rounded")
    k = sorted(margins(model, qs, dev, cache))
    threshold = round(k[int(len(k) * a.false_refusals)], 4)
    b64 = lambda x: base64.b64encode(x.tobytes()).decode()
    told |= {k: base64.b64encode(told[k].tobytes()).decode() for k in ("rows", "head")}
    config = json.loads(a.out.read_text(encoding="utf-8")) if a.out.exists() else {}
    config["orrery_scope"] = dict(
        version=1, threshold=threshold, buckets=BUCKETS, width=WIDTH, refusals=sorted({refusal_text(c) for c in "abcd"}),
        strip=[outline_request("")],
        **{"pass": [expand_request(0, "").split("0")[0]]}, words=" ".join(sorted(qs.words)), **told)
    a.out.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    print(a.out, a.out.stat().st_size, "bytes, threshold", threshold)


if __name__ == "__main__":
    main()
