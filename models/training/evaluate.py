"""Final figures of the exported folders on the held-out wordings -> report.md. Usage: python evaluate.py --report report.md

Every reply is decoded greedily by transformers from the float16 weights.
"""
import argparse
import random
import re
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from corpus import (direct_text, expand_request, load_offtopic, load_smalltalk, load_topics, outline_request, outline_text)

HERE = Path(__file__).resolve().parent
REFUSED = "I have not learned about"
# What the report does not measure: the scope is read by a node, not by transformers.
WEIGHTS_ALONE = (
    "These are figures of the weights alone. A node also asks the scope (`orrery_scope` of\n"
    "`generation_config.json`) whether a question is about anything that was learned, and refuses the\n"
    "others: who asks a node mostly gets a refusal where the weights answer on the wrong topic, and at times\n"
    "where they answer on the right one. `deno task bench:refusals` measures that; docs/models.md has its\n"
    "figures (\"It refuses by a scope\")."
)


def user(text):
    return {"role": "user", "content": text}


def bot(text):
    return {"role": "assistant", "content": text}


def bag(text):
    return set(re.findall(r"[a-z]{4,}", text.lower()))


def overlap(text, wanted):
    """Share of the wanted text's words (4 letters and more) that occur in `text`."""
    w = bag(wanted)
    return len(bag(text) & w) / max(1, len(w))


def sentences(text):
    return [s.strip() for s in re.split(r"(?<=[.!?])\s+", text) if s.strip()]


def points(text):
    """(title, [point, ...]) of a well-formed outline, else None."""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0].endswith(":"):
        return None
    found = [re.fullmatch(r"(\d+)\. (\S.*)", x) for x in lines[1:]]
    if not all(found) or [int(m[1]) for m in found] != list(range(1, len(found) + 1)):
        return None
    return lines[0][:-1], [m[2] for m in found]


class Runner:
    def __init__(self, target, draft, batch):
        self.tok = AutoTokenizer.from_pretrained(target)
        self.tok.padding_side = "left"
        self.target = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32).eval()
        self.draft = AutoModelForCausalLM.from_pretrained(draft, dtype=torch.float32).eval() if draft else None
        self.batch = batch

    @torch.no_grad()
    def replies(self, chats, limit=200):
        """-> [(text, share of its tokens that the draft would have guessed greedily, their number)] per conversation."""
        out = [None] * len(chats)
        ids = [self.tok.apply_chat_template(c, add_generation_prompt=True, return_dict=True)["input_ids"] for c in chats]
        order = sorted(range(len(chats)), key=lambda i: len(ids[i]))
        for at in range(0, len(order), self.batch):
            part = order[at:at + self.batch]
            x = self.tok.pad({"input_ids": [ids[i] for i in part]}, return_tensors="pt")
            y = self.target.generate(**x, max_new_tokens=limit, do_sample=False)
            n = x["input_ids"].shape[1]
            for row, i in enumerate(part):
                new = y[row, n:]
                end = (new == self.target.config.eos_token_id).nonzero()
                new = new[:int(end[0]) + 1] if len(end) else new
                hit = 0
                if self.draft is not None:
                    full = torch.cat([torch.tensor(ids[i]), new])[None]
                    hit = (self.draft(full).logits[0, len(ids[i]) - 1:-1].argmax(-1) == new).sum().item()
                out[i] = (self.tok.decode(new, skip_special_tokens=True), hit, len(new))
        return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--target", default=str(HERE.parent / "embedded" / "target"))
    ap.add_argument("--draft", default=str(HERE.parent / "embedded" / "draft"), help="empty: no draft")
    ap.add_argument("--report", type=Path, help="write the report here (Markdown) instead of printing it")
    ap.add_argument("--limit", type=int, default=0, help="only this many topics")
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    run = Runner(a.target, a.draft, a.batch)
    topics = load_topics()
    rng = random.Random(7)
    some = rng.sample(topics, a.limit) if a.limit else topics
    known = {s for t in topics for s in sentences(direct_text(t))}
    whole = {direct_text(t) for t in topics}
    bags = {t["id"]: bag(direct_text(t)) for t in topics}
    obags = {t["id"]: bag(outline_text(t)) for t in topics}

    def nearest(text, table):
        w = bag(text)
        return max(topics, key=lambda t: len(w & table[t["id"]]) / (1 + len(table[t["id"]])) ** .5)["id"]

    rows, accepted = [], {}

    def add(name, good, of):
        rows.append((name, f"{100 * good / max(1, of):.1f} %", f"{good} of {of}"))

    def draft_on(name, replies):
        g, n = accepted.get(name, (0, 0))
        accepted[name] = (g + sum(r[1] for r in replies), n + sum(r[2] for r in replies))

    start = time.time()
    sets = [("trained wordings", [(t, rng.choice(t["train"])) for t in some]),
            ("wordings kept out of training (dev, used to choose)", [(t, t["dev"]) for t in some]),
            ("held-out wordings", [(t, q) for t in some for q in t["heldout"]])]
    for name, items in sets:
        got = run.replies([[user(q)] for _, q in items])
        draft_on("direct answers", got)
        texts = [g[0] for g in got]
        add(f"direct, right topic by its first sentence, {name}", sum(x.startswith(t["lead"]) for (t, _), x in zip(items, texts)), len(items))
        add(f"direct, right topic by nearest words, {name}", sum(nearest(x, bags) == t["id"] for (t, _), x in zip(items, texts)), len(items))
        add(f"direct, reads well (every sentence is the corpus's or a refusal), {name}",
            sum(x in whole or x.startswith(REFUSED) or all(s in known for s in sentences(x)) for x in texts), len(items))
        add(f"direct, taken for off-topic, {name}", sum(x.startswith(REFUSED) for x in texts), len(items))
        got = run.replies([[user(outline_request(q))] for _, q in items])
        draft_on("outlines", got)
        outs = [g[0] for g in got]
        formed = [points(x) for x in outs]
        add(f"outline, well formed, {name}", sum(f is not None for f in formed), len(items))
        add(f"outline, right topic by its title, {name}", sum(f is not None and f[0] == t["title"] for (t, _), f in zip(items, formed)), len(items))
        add(f"outline, right topic by nearest words, {name}", sum(nearest(x, obags) == t["id"] for (t, _), x in zip(items, outs)), len(items))
    # expansions of every point of the outlines of the last set (one wording a topic)
    title = {t["title"]: t for t in topics}
    chats, wanted = [], []
    for (t, q), x, f in list(zip(items, outs, formed))[::2]:
        if f is None:
            continue
        for i, p in enumerate(f[1], 1):
            chats.append([user(outline_request(q)), bot(x), user(expand_request(i, p))])
            own = title.get(f[0])
            wanted.append(next((o["text"] for o in own["outline"] if o["point"] == p), None) if own else None)
    got = run.replies(chats)
    draft_on("expansions", got)
    texts_of = {p["text"] for t in topics for p in t["outline"]}
    sents = {s for x in texts_of for s in sentences(x)}
    add("expansion, near its own point's text (half of its words)", sum(w is not None and overlap(g[0], w) >= .5 for g, w in zip(got, wanted)), len(got))
    add("expansion, word for word its point's text", sum(g[0] == w for g, w in zip(got, wanted)), len(got))
    add("expansion, reads well (every sentence is the corpus's)", sum(all(s in sents for s in sentences(g[0])) for g in got), len(got))
    expansions = {(c[0]["content"], c[2]["content"]): g[0] for c, g in zip(chats, got)}
    off = load_offtopic(heldout=True)
    offs = run.replies([[user(o["question"])] for o in off])
    draft_on("refusals", offs)
    add("held-out off-topic questions refused", sum(g[0].startswith(REFUSED) for g in offs), len(off))
    offo = run.replies([[user(outline_request(o["question"]))] for o in off])
    add("held-out off-topic outline requests refused", sum(g[0].startswith(REFUSED) for g in offo), len(off))
    small = [(s, q) for s in load_smalltalk() for q in s["questions"]]
    got = run.replies([[user(q)] for _, q in small])
    add("small talk (trained wordings) answered word for word", sum(g[0] == s["answer"] for g, (s, _) in zip(got, small)), len(small))
    # a second turn after another topic, and a system message
    two = [(t, t["heldout"][0], rng.choice(topics)) for t in some]
    got = run.replies([[user(b["questions"][0]), bot(direct_text(b)), user(q)] for t, q, b in two])
    add("direct as a second turn, right topic, held-out wordings", sum(g[0].startswith(t["lead"]) for g, (t, _, _) in zip(got, two)), len(two))
    got = run.replies([[{"role": "system", "content": "You are a helpful assistant."}, user(q)] for _, q, _ in two])
    add("direct after a system message, right topic, held-out wordings", sum(g[0].startswith(t["lead"]) for g, (t, _, _) in zip(got, two)), len(two))

    text = ["# Report of the embedded model", "",
            f"Target {sum(p.numel() for p in run.target.parameters()):,} parameters"
            + (f", draft {sum(p.numel() for p in run.draft.parameters()):,}" if run.draft else "")
            + f"; {len(some)} topics; greedy decoding of the float16 weights; {time.time() - start:.0f} s.", "",
            WEIGHTS_ALONE, "",
            "| measure | share | count |", "|---|---|---|"]
    text += [f"| {n} | {s} | {c} |" for n, s, c in rows]
    if run.draft:
        text += ["", "Draft: share of the target's greedy tokens that the draft's greedy choice equals.", "",
                 "| text | acceptance | tokens |", "|---|---|---|"]
        text += [f"| {k} | {g / max(1, n):.3f} | {n} |" for k, (g, n) in accepted.items()]
        g, n = (sum(v[i] for v in accepted.values()) for i in (0, 1))
        text += [f"| all | {g / max(1, n):.3f} | {n} |"]
    text += ["", "## Samples (held-out wordings, drawn at random)", ""]
    direct = run.replies([[user(q)] for _, q in items[::2]])
    for k in sorted(rng.sample(range(len(items[::2])), min(12, len(items[::2])))):
        (t, q), f = items[2 * k], formed[2 * k]
        text += [f"**User:** {q}", "", f"**Model:** {direct[k][0]}", "", f"**User:** {outline_request(q)}", "", "```", outs[2 * k], "```", ""]
        if f:
            ask = expand_request(2, f[1][1])
            text += [f"**User:** {ask}", "", f"**Model:** {expansions.get((outline_request(q), ask), '')}", ""]
    text += ["## Off-topic samples, without the scope", ""]
    for o, g in list(zip(off, offs))[:8]:
        text += [f"- {o['question']} -> {g[0]}"]
    text = "\n".join(text) + "\n"
    if a.report:
        a.report.write_text(text, encoding="utf-8")
    print(text if not a.report else "\n".join(f"{s:>8}  {n}" for n, s, _ in rows))


if __name__ == "__main__":
    main()
