"""Train the target or the draft for a planned number of minutes. Usage: python train.py --role target --minutes 70

Every few minutes it logs which share of questions picks the right topic (greedy first tokens of the reply), saves a
checkpoint (resume with --resume) and, with --export, writes the Hugging Face folder of the averaged weights.
"""
import argparse
import copy
import math
import os
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from batches import MIX, Maker, collate, stream
from corpus import (direct_text, load_offtopic, load_smalltalk, load_topics, outline_request, outline_text,
                    refusal_text)
from export import export
from model import SIZES, Llama


def seed_embeddings(model, tok, topics):
    """Start token vectors from which topics they occur in (log counts, SVD), so that related words begin near each other."""
    count = torch.zeros(model.vocab, len(topics))
    for j, t in enumerate(topics):
        for text in [*t["train"], t["title"], t["lead"], t["answer"], *(p["point"] + " " + p["text"] for p in t["outline"])]:
            for s in (text, " " + text):
                ids = torch.tensor(tok.encode(s).ids)
                count[:, j].index_add_(0, ids, torch.ones(len(ids)))
    row, col = count.sum(1, keepdim=True), count.sum(0, keepdim=True)
    ppmi = torch.log((count * count.sum() + 1e-9) / (row * col + 1e-9)).clamp(min=0) * (row > 1)
    u, s, _ = torch.linalg.svd(ppmi, full_matrices=False)
    e = model.model.embed_tokens.weight
    v = u * s ** .5
    if v.shape[1] > e.shape[1]:
        v = v[:, :e.shape[1]]
    v = v @ torch.linalg.qr(torch.randn(v.shape[1], v.shape[1]))[0]      # spread over all channels
    v = F.pad(v, (0, e.shape[1] - v.shape[1]))
    with torch.no_grad():
        e.mul_(.7).add_(v / (v.std() + 1e-9) * .014)


@torch.no_grad()
def hits(model, maker, pairs):
    """Per (question, reply): are the reply's first tokens all the greedy choice?"""
    out = []
    for at in range(0, len(pairs), 100):
        docs = []
        for q, a in pairs[at:at + 100]:
            doc = ([], [])
            maker.say(doc, "user", q)
            maker.say(doc, "assistant", a, 1.0, short=True)
            docs.append(doc)
        x, y, w = collate(docs)
        ok = (model.head(model(x)).argmax(-1) == y) | (w == 0)
        out += ok.all(1).tolist()
    return out


def share(flags):
    return sum(flags) / max(1, len(flags))


def refusals(model, maker, questions):
    """Share of questions whose reply greedily begins as a refusal does."""
    n = len(maker.ids("I have not learned about"))
    with torch.no_grad():
        bad = 0
        for q in questions:
            doc = ([], [])
            maker.say(doc, "user", q)
            maker.say(doc, "assistant", "I have not learned about", 1.0)
            ids = torch.tensor([doc[0][:-1]])
            bad += (model.head(model(ids[:, :-1]))[0].argmax(-1)[-n:] == ids[0, -n:]).all().item()
    return bad / len(questions)


def evaluate(weights, model, maker, topics, heldout_off):
    """Topic accuracy of `weights` rounded to float16."""
    model.load_state_dict({k: v.half().float() for k, v in weights.items()})
    model.eval()
    rng = random.Random(5)
    seen = [(t, rng.choice(t["train"])) for t in topics]
    dev = [(t, t["dev"]) for t in topics]
    out = {}
    for name, items in (("trained", seen), ("dev", dev)):
        out[name] = share(hits(model, maker, [(q, direct_text(t)) for t, q in items]))
        out[name + "_outline"] = share(hits(model, maker, [(outline_request(q), outline_text(t)) for t, q in items]))
    out["off_refused"] = refusals(model, maker, heldout_off)
    out["false_refusals"] = refusals(model, maker, [t["dev"] for t in topics])
    return out


def save(path, **what):
    torch.save(what, str(path) + ".tmp")
    os.replace(str(path) + ".tmp", path)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--role", choices=SIZES, default="target")
    ap.add_argument("--tokenizer", type=Path, default=Path("runs/tokenizer.json"))
    ap.add_argument("--run", type=Path, default=Path("runs"), help="folder of checkpoint and log")
    ap.add_argument("--export", type=Path, help="Hugging Face folder to write at every evaluation")
    ap.add_argument("--resume", action="store_true", help="go on from the checkpoint (its schedule position too)")
    ap.add_argument("--minutes", type=float, default=70, help="planned training time; the learning rate falls to 0 over it")
    ap.add_argument("--every", type=float, default=5, help="minutes between evaluations")
    ap.add_argument("--tokens", type=int, default=4096, help="tokens a step")
    ap.add_argument("--lr", type=float, default=2e-3, help="AdamW, embeddings and norms")
    ap.add_argument("--matrix-lr", type=float, default=4e-3, help="the layers' matrices (Muon)")
    ap.add_argument("--adamw", action="store_true", help="AdamW for the matrices as well")
    ap.add_argument("--dropout", type=float, default=.1, help="on the token vectors")
    ap.add_argument("--pseudo", type=float, default=.35, help="share of questions made of a topic's typical words")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    random.seed(a.seed)
    a.run.mkdir(parents=True, exist_ok=True)
    log_file = open(a.run / f"{a.role}.log", "a" if a.resume else "w", encoding="utf-8")

    def log(text):
        print(text, flush=True)
        log_file.write(text + "\n")
        log_file.flush()

    tok = Tokenizer.from_file(str(a.tokenizer))
    topics = load_topics()
    first, outline = (3.0, .3) if a.role == "target" else (1.0, 1.0)     # the draft only has to follow the target
    maker = Maker(tok, topics, load_offtopic(), load_smalltalk(), a.pseudo, first, outline)
    off = [o["question"] for o in load_offtopic(heldout=True)]
    model = Llama(SIZES[a.role], tok.get_vocab_size(), a.dropout if a.role == "target" else 0.0)
    seed_embeddings(model, tok, topics)
    probe = copy.deepcopy(model)
    mean = {k: v.clone() for k, v in model.state_dict().items()}
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.dim() == 1 or "embed" in n]
    optims = [torch.optim.AdamW(rest, lr=a.lr, betas=(.9, .98), weight_decay=.01)]
    if a.adamw:
        optims.append(torch.optim.AdamW(matrices, lr=a.lr, betas=(.9, .98), weight_decay=.05))
    else:
        optims.append(torch.optim.Muon(matrices, lr=a.matrix_lr, weight_decay=.05, momentum=.95,
                                       adjust_lr_fn="match_rms_adamw"))
    base = [o.param_groups[0]["lr"] for o in optims]
    step = seen = 0
    gone = 0.0                                            # minutes of earlier runs
    path = a.run / f"{a.role}.pt"
    if a.resume:
        c = torch.load(path, weights_only=False)
        model.load_state_dict(c["model"])
        mean, step, seen, gone = c["mean"], c["step"], c["seen"], c["minutes"]
        for o, s in zip(optims, c["optims"]):
            o.load_state_dict(s)
    log(f"{a.role}: {sum(p.numel() for p in model.parameters()):,} parameters, {len(topics)} topics, "
        f"{sum(len(t['train']) for t in topics):,} wordings, {a.minutes:.0f} minutes planned")
    batches = stream(maker, MIX[a.role], a.tokens)
    start = last = time.time()
    since, losses = seen, {}
    next_eval = (gone // a.every + 1) * a.every
    model.train()
    while True:
        now = gone + (time.time() - start) / 60
        done = now >= a.minutes
        if done or now >= next_eval:
            next_eval += a.every
            save(path, model=model.state_dict(), mean=mean, optims=[o.state_dict() for o in optims], step=step, seen=seen,
                 minutes=now, role=a.role, config=model.config, vocab=model.vocab)
            r = evaluate(mean, probe, maker, topics, off)
            rate = (seen - since) / (time.time() - last)
            last, since = time.time(), seen
            log(f"min {now:5.1f} step {step:6d} {seen / 1e6:6.2f}M tokens {rate:5.0f}/s lr x{scale:.3f} | "
                + " ".join(f"{k} {v:.3f}" for k, v in r.items()) + " | loss "
                + " ".join(f"{k} {v:.3f}" for k, v in sorted(losses.items())))
            if a.export:
                export(mean, model.config, tok, a.export)
            if done:
                break
        scale = min(1, (step + 1) / 150) * (.01 + .99 * .5 * (1 + math.cos(math.pi * min(1, now / a.minutes))))
        for o, lr in zip(optims, base):
            o.param_groups[0]["lr"] = lr * scale
        kind, x, y, w = next(batches)
        at = w.reshape(-1).nonzero().squeeze(1)            # the LM head runs at response positions only
        with torch.autocast("cpu", torch.bfloat16):
            h = model(x).reshape(-1, model.config["dim"])[at]
            logits = model.head(h)
        per = F.cross_entropy(logits.float(), y.reshape(-1)[at], reduction="none")
        wt = w.reshape(-1)[at]
        loss = (per * wt).sum() / wt.sum()
        for o in optims:
            o.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in optims:
            o.step()
        decay = min(.998, (step + 1) / (step + 20))
        with torch.no_grad():
            torch._foreach_lerp_(list(mean.values()), [p.detach() for p in model.state_dict().values()], 1 - decay)
        step += 1
        seen += x.numel()
        losses[kind] = loss.item() if kind not in losses else .95 * losses[kind] + .05 * loss.item()
        if step in (20, 100, 300) or step % 1000 == 0:
            log(f"  step {step} min {gone + (time.time() - start) / 60:.1f} {(seen - since) / (time.time() - last):.0f} tokens/s loss "
                + " ".join(f"{k} {v:.3f}" for k, v in sorted(losses.items())))


if __name__ == "__main__":
    main()
