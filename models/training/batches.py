"""Conversations as token ids with loss weights, and batches of one kind and similar length.

A document is (ids, weights): the conversation from position 0, and per token the weight of predicting it (0 = no loss).
"""
import math
import random
import re
from collections import Counter

import torch

from corpus import (SPECIALS, SYSTEMS, direct_text, expand_request, outline_request, outline_text, refusal_text)

STOP = set("a an the is are do does did i you we it to of in on for with what how why which when who can could should would tell "
           "me explain describe my your please about give that this be and or at by from some there if so just".split())
FRAMES = ["what about {}?", "{}", "tell me about {}", "how {}?", "why {}?", "what is {}?", "can you explain {}", "how do I {}?",
          "{}?", "what does {} mean", "{} explained", "my {} problem", "i need to know {}", "is it {}", "the best {}", "i want to know about {}", "help with {}", "{} please"]
FIRST = 10     # response tokens that choose the topic
SHORT = 12     # response tokens of a shortened reply
# kind -> share of training tokens
MIX = {
    "target": {"choose": .36, "choose_outline": .17, "answer": .07, "expand": .23, "second": .09, "off": .05, "talk": .03},
    "draft": {"answer": .30, "expand": .53, "choose": .04, "choose_outline": .04, "second": .03, "off": .04, "talk": .02},
}


def words(text: str) -> list[str]:
    return [w for w in re.findall(r"[a-z][a-z'-]+", text.lower()) if w not in STOP and len(w) > 2]


def typo(text: str) -> str:
    """One letter swapped, lost or doubled inside a word."""
    spots = [i for i in range(1, len(text) - 2) if text[i].isalpha() and text[i + 1].isalpha()]
    if not spots:
        return text
    i, how = random.choice(spots), random.random()
    if how < .4:
        return text[:i] + text[i + 1] + text[i] + text[i + 2:]
    return text[:i] + text[i + 1:] if how < .8 else text[:i] + text[i] + text[i:]


def vary(q: str) -> str:
    """A question's words thinned (function words first), its case and stops changed, now and then a typo."""
    r = random.random()
    if r < .45:
        keep = []
        for w in q.split():
            stop = w.lower().strip("?.,!'\"") in STOP
            lose = (1.0 if stop else .03) if r < .08 else (.3 if stop else .07)
            if random.random() >= lose:
                keep.append(w)
        if len(keep) >= 2:
            q = " ".join(keep)
    if random.random() < .25:
        q = q.lower()
    elif random.random() < .4:
        q = q[0].upper() + q[1:]
    r = random.random()
    if r < .25:
        q = q.rstrip("?.!")
    elif r < .32:
        q = q.rstrip("?.!") + random.choice(["?", ".", "!", "??"])
    return typo(q) if random.random() < .06 else q


class Maker:
    """Draws documents of every kind from the corpus."""

    def __init__(self, tok, topics, offtopic, smalltalk, pseudo=.35, first_weight=3.0, outline_weight=.3):
        self.tok, self.topics, self.off, self.talk = tok, topics, offtopic, smalltalk
        self.pseudo, self.first_weight, self.outline_weight = pseudo, first_weight, outline_weight
        self.role = {s[2:-2]: tok.token_to_id(s) for s in SPECIALS}
        self.cache: dict[str, list[int]] = {}
        bags = [Counter(words(" ".join(t["train"] * 2) + " " + t["answer"] + " " + " ".join(
            p["point"] + " " + p["text"] for p in t["outline"]))) for t in topics]
        df = Counter(w for b in bags for w in b)
        self.typical = {t["id"]: (list(b), [n ** .5 * math.log(len(topics) / df[w] + 1) ** 2 for w, n in b.items()])
                        for t, b in zip(topics, bags)}
        self.queue: dict[str, list] = {}

    def ids(self, text, keep=False):
        if not keep:
            return self.tok.encode(text).ids
        if text not in self.cache:
            self.cache[text] = self.tok.encode(text).ids
        return self.cache[text]

    def next(self, name, items):
        """The next item of an endless series of shuffled passes, so that nothing is drawn more often than the rest."""
        q = self.queue.setdefault(name, [])
        if not q:
            q.extend(items)
            random.shuffle(q)
        return q.pop()

    def question(self, t):
        """A wording of the topic, varied; or words and phrases that belong to it."""
        if random.random() < self.pseudo:
            if random.random() < .7:
                pick = [self.next("r" + t["id"], t["terms"]) for _ in range(random.choice([1, 1, 2, 3]))]
                if pick[0].count(" ") > 2:
                    return vary(pick[0])                   # a phrase stands alone
                r = random.random()
                if r < .15:
                    pick.append(t["title"].lower())
                elif r < .35:
                    return vary(random.choice(t["train"])) + " " + pick[0]
                return random.choice(FRAMES).format(" ".join(pick))
            names, weight = self.typical[t["id"]]
            pick = list(dict.fromkeys(random.choices(names, weight, k=random.randint(2, 6))))
            if random.random() < .5:
                pick += words(random.choice(t["train"]))[:2]
            random.shuffle(pick)
            return random.choice(FRAMES).format(" ".join(pick))
        return vary(self.next("q" + t["id"], t["train"]))

    def off_question(self, o):
        """An off-topic question, sometimes with its subject exchanged for another one's, or the subject alone."""
        q, s = o["question"], o["subject"]
        at = q.lower().find(s.lower())
        r = random.random()
        if at >= 0 and r < .3:
            q = q[:at] + random.choice(self.off)["subject"] + q[at + len(s):]
        elif r < .45:
            q = random.choice(FRAMES).format(s)
        return vary(q) if random.random() < .6 else q

    # a conversation is built turn by turn
    def start(self):
        doc = ([], [])
        if random.random() < .1:
            self.say(doc, "system", random.choice(SYSTEMS))
        return doc

    def say(self, doc, role, text, weight=0.0, short=False, keep=False):
        body = self.ids(text, keep) + [self.role["end"]]
        if short:
            body = body[:SHORT]
        doc[0].extend([self.role[role]] + body)
        doc[1].extend([0.0] + [weight * (self.first_weight if i < FIRST else 1.0) for i in range(len(body))])

    def reply(self, doc, text, weight=1.0, short=False):
        self.say(doc, "assistant", text, weight, short, keep=True)

    def small(self, doc, weight):
        s = self.next("talk", self.talk)
        q = self.next("talk" + s["answer"], s["questions"])
        self.say(doc, "user", vary(q) if random.random() < .4 else q)
        self.reply(doc, s["answer"], weight)

    def refuse(self, doc, weight):
        o = self.next("off", self.off)
        q = self.off_question(o)
        self.say(doc, "user", outline_request(q) if random.random() < .25 else q)
        self.say(doc, "assistant", refusal_text(q), weight)

    def document(self, kind):
        doc = self.start()
        if kind == "talk":
            self.small(doc, 1.0)
        elif kind == "off":
            self.refuse(doc, 1.0)
        elif kind in ("choose", "answer", "choose_outline"):
            t = self.next(kind, self.topics)
            q, short = self.question(t), kind != "answer"
            outline = kind == "choose_outline"
            self.say(doc, "user", outline_request(q) if outline else q)
            self.reply(doc, outline_text(t) if outline else direct_text(t), 1.0, short)
        elif kind == "expand":
            t, i = self.next(kind, [(t, i) for t in self.topics for i in range(len(t["outline"]))])
            p = t["outline"][i]
            self.say(doc, "user", outline_request(self.question(t)))
            self.reply(doc, outline_text(t), self.outline_weight)
            self.say(doc, "user", expand_request(i + 1, p["point"]))
            self.say(doc, "assistant", p["text"], 1.0, keep=True)
            if random.random() < .5:                       # and another point in the same conversation
                j, p = random.choice([x for x in enumerate(t["outline"]) if x[0] != i])
                self.say(doc, "user", expand_request(j + 1, p["point"]))
                self.say(doc, "assistant", p["text"], 1.0, keep=True)
        else:  # second: a conversation that goes on to another topic
            r = random.random()
            if r < .25:
                self.small(doc, 0.0)
            elif r < .35:
                self.refuse(doc, 0.0)
            else:
                before = random.choice(self.topics)
                self.say(doc, "user", self.question(before))
                said = direct_text(before) if random.random() < .4 else before["lead"] + " " + before["answer"].split(". ")[0] + "."
                self.reply(doc, said, 0.0)
            r = random.random()
            if r < .1:
                self.refuse(doc, 1.0)
            else:
                t = self.next(kind, self.topics)
                q = self.question(t)
                self.say(doc, "user", outline_request(q) if r < .35 else q)
                self.reply(doc, outline_text(t) if r < .35 else direct_text(t), 1.0, random.random() < .75)
        return doc


def collate(docs):
    """-> inputs [B, T], labels [B, T], weights [B, T] (right padded; token i of a row predicts label i)."""
    n = max(len(d[0]) for d in docs)
    ids = torch.zeros(len(docs), n, dtype=torch.long)
    w = torch.zeros(len(docs), n)
    for i, (a, b) in enumerate(docs):
        ids[i, :len(a)] = torch.tensor(a)
        w[i, :len(b)] = torch.tensor(b)
    return ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), w[:, 1:].contiguous()


def stream(maker, mix, tokens):
    """Endless (kind, inputs, labels, weights), about `tokens` tokens each; kinds get their share of all tokens."""
    spent, ready = {k: 0.0 for k in mix}, {k: [] for k in mix}
    while True:
        kind = min(mix, key=lambda k: spent[k] / mix[k])
        if not ready[kind]:
            docs = sorted((maker.document(kind) for _ in range(8 * tokens // 64)), key=lambda d: len(d[0]))
            batch = []
            for d in docs:
                if batch and (len(batch) + 1) * len(d[0]) > tokens:
                    ready[kind].append(batch)
                    batch = []
                batch.append(d)
            ready[kind].append(batch)
            random.shuffle(ready[kind])
        batch = collate(ready[kind].pop())
        spent[kind] += batch[0].numel()
        yield kind, *batch
