"""Checkpoint -> Hugging Face folder (float16). Usage: python export.py runs/target.pt --out ../embedded/target"""
import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from corpus import SPECIALS
from model import EPS, MAX_LEN, THETA
from tokenizer import CHAT_TEMPLATE


def export(weights: dict, c: dict, tok: Tokenizer, out: Path) -> None:
    """`weights` as LlamaForCausalLM names them, `c` the sizes of model.SIZES."""
    out.mkdir(parents=True, exist_ok=True)
    half = {k: v.detach().to(torch.float16).contiguous() for k, v in weights.items()}
    save_file(half, str(out / "model.safetensors.tmp"), metadata={"format": "pt"})
    (out / "model.safetensors.tmp").chmod(0o644)
    (out / "model.safetensors.tmp").replace(out / "model.safetensors")
    end, pad = tok.token_to_id("<|end|>"), tok.token_to_id("<|pad|>")

    def dump(name, what):
        (out / name).write_text(json.dumps(what, indent=2) + "\n", encoding="utf-8")

    dump("config.json", dict(
        architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=c["dim"], intermediate_size=c["ffn"],
        num_hidden_layers=c["layers"], num_attention_heads=c["heads"], num_key_value_heads=c["kv"], head_dim=c["head_dim"],
        vocab_size=tok.get_vocab_size(), max_position_embeddings=MAX_LEN, rms_norm_eps=EPS, rope_theta=THETA,
        hidden_act="silu", tie_word_embeddings=True, attention_bias=False, mlp_bias=False, bos_token_id=None,
        eos_token_id=end, pad_token_id=pad, torch_dtype="float16"))
    dump("generation_config.json", dict(eos_token_id=end, pad_token_id=pad, do_sample=False, max_new_tokens=256))
    dump("tokenizer_config.json", dict(
        tokenizer_class="PreTrainedTokenizerFast", eos_token="<|end|>", pad_token="<|pad|>",
        additional_special_tokens=SPECIALS[2:], model_max_length=MAX_LEN, clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE))
    tok.save(str(out / "tokenizer.json"))


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("checkpoint", type=Path)
    ap.add_argument("--tokenizer", type=Path, default=Path("runs/tokenizer.json"))
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    c = torch.load(a.checkpoint, weights_only=False)
    export(c["mean"], c["config"], Tokenizer.from_file(str(a.tokenizer)), a.out)
    print(a.out, sum(v.numel() for v in c["mean"].values()), "parameters, after", round(c["minutes"], 1), "minutes")
