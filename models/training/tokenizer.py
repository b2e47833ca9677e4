"""Byte-level BPE over the corpus -> tokenizer.json. Usage: python tokenizer.py --out runs/tokenizer.json"""
import argparse
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus import SPECIALS, all_texts

# A number that counts questions, such as "(7)" or "#7" behind one, is left out: the model has never seen any.
CHAT_TEMPLATE = (
    "{% for m in messages %}{% set text = m['content'] %}{% set last = (text.split() or [''])[-1] %}"
    "{% if m['role'] == 'user' and last[:1] in '([#' and last.strip('([#])').isdigit() %}"
    "{% set text = text.rstrip()[:-(last | length)].rstrip() %}{% endif %}"
    "{{ '<|' + m['role'] + '|>' + text + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def build(vocab: int) -> Tokenizer:
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=SPECIALS, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tok.train_from_iterator(all_texts(), trainer)
    return tok


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--vocab", type=int, default=4096, help="entries, specials included")
    ap.add_argument("--out", type=Path, default=Path("runs/tokenizer.json"))
    a = ap.parse_args()
    a.out.parent.mkdir(parents=True, exist_ok=True)
    tok = build(a.vocab)
    tok.save(str(a.out))
    n = [len(tok.encode(s).ids) for s in all_texts()]
    print(f"{tok.get_vocab_size()} entries; corpus {len(n)} strings, {sum(n)} tokens")
