"""A Llama decoder whose parameter names are those of transformers' LlamaForCausalLM (so export is a plain copy)."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

SIZES = {
    "target": dict(layers=6, dim=256, heads=8, kv=2, head_dim=32, ffn=704),
    "draft": dict(layers=2, dim=96, heads=3, kv=1, head_dim=32, ffn=256),
}
EPS, THETA, MAX_LEN = 1e-5, 10000.0, 2048


class Norm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, EPS)


def linear(i, o):
    return nn.Linear(i, o, bias=False)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.q_proj = linear(c["dim"], c["heads"] * c["head_dim"])
        self.k_proj = linear(c["dim"], c["kv"] * c["head_dim"])
        self.v_proj = linear(c["dim"], c["kv"] * c["head_dim"])
        self.o_proj = linear(c["heads"] * c["head_dim"], c["dim"])

    def forward(self, x, cos, sin, mask):
        """x [B, T, dim]; cos, sin [T, head_dim]; mask [T, T], 0 or -inf."""
        c, (b, t, _) = self.c, x.shape
        h, g, d = c["heads"], c["kv"], c["head_dim"]
        w = torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight])
        qkv = F.linear(x, w).view(b, t, h + 2 * g, d).transpose(1, 2)
        qk, v = qkv[:, :h + g], qkv[:, h + g:]
        qk = qk * cos + torch.cat([-qk[..., d // 2:], qk[..., :d // 2]], -1) * sin
        k = qk[:, h:].repeat_interleave(h // g, 1)
        v = v.repeat_interleave(h // g, 1)
        score = qk[:, :h] @ k.transpose(-1, -2) * d ** -.5 + mask      # short rows: faster in training than a fused kernel
        y = score.softmax(-1, dtype=score.dtype) @ v
        return self.o_proj(y.transpose(1, 2).reshape(b, t, h * d))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = linear(c["dim"], c["ffn"])
        self.up_proj = linear(c["dim"], c["ffn"])
        self.down_proj = linear(c["ffn"], c["dim"])

    def forward(self, x):
        g, u = F.linear(x, torch.cat([self.gate_proj.weight, self.up_proj.weight])).chunk(2, -1)
        return self.down_proj(F.silu(g) * u)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = Norm(c["dim"]), Norm(c["dim"])
        self.self_attn, self.mlp = Attention(c), Mlp(c)


class Body(nn.Module):
    def __init__(self, c, vocab):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab, c["dim"])
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["layers"]))
        self.norm = Norm(c["dim"])


class Llama(nn.Module):
    """`forward(ids)` gives the normed hidden states [B, T, dim]; `head(h)` their logits (embeddings are tied)."""

    def __init__(self, config: dict, vocab: int, dropout: float = 0.0):
        super().__init__()
        self.config, self.vocab, self.dropout = config, vocab, dropout
        self.model = Body(config, vocab)
        deep = 0.02 / math.sqrt(2 * config["layers"])
        for name, p in self.named_parameters():
            if p.dim() > 1:
                nn.init.normal_(p, 0, deep if name.endswith(("o_proj.weight", "down_proj.weight")) else 0.02)
        d = config["head_dim"]
        angle = torch.arange(MAX_LEN)[:, None] * THETA ** (-torch.arange(0, d, 2) / d)
        angle = torch.cat([angle, angle], -1)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, ids):
        """ids [B, T], each row from position 0 and padded on the right (causal, so padding is never seen)."""
        drop = self.dropout if self.training else 0.0
        dt = torch.bfloat16 if torch.is_autocast_enabled(ids.device.type) else torch.float32
        cos, sin = self.cos[:ids.shape[1]].to(dt), self.sin[:ids.shape[1]].to(dt)
        mask = torch.full((ids.shape[1],) * 2, -torch.inf, dtype=dt).triu(1)
        x = F.dropout(self.model.embed_tokens(ids), drop)
        for layer in self.model.layers:
            x = x + layer.self_attn(layer.input_layernorm(x), cos, sin, mask)
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return self.model.norm(x)

    def head(self, h):
        return F.linear(h, self.model.embed_tokens.weight)
