"""The Llama architecture in plain PyTorch: RMS norm, rotary positions, SwiGLU, tied output.

Rotation pairs the two halves of a head, which is fast here; llama.cpp turns adjacent
pairs, so `export.py` interleaves the rows of Q and K.
"""

from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional as F


# Fused kernels of newer releases; without them the same sums in single steps.
FAST = hasattr(F, "rms_norm")


@dataclass(frozen=True)
class Config:
    """The shape of a model; all widths of `acorn` are multiples of 256, so that k-quants fit."""

    name: str
    width: int
    layers: int
    heads: int
    ffn: int
    vocab: int = 2048
    context: int = 1024
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5

    def as_dict(self):
        return asdict(self)


SIZES = {
    "acorn": Config("Acorn", width=256, layers=4, heads=4, ffn=512),
    "acorn-small": Config("Acorn small", width=128, layers=4, heads=2, ffn=384),
}


class Norm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        if FAST:
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def rotary(config):
    """cos and sin for every position and pair of a head."""
    head = config.width // config.heads
    speed = config.rope_base ** (-torch.arange(0, head, 2).float() / head)
    angle = torch.arange(config.context).float()[:, None] * speed[None, :]
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Turn each number of the first half with its partner in the second."""
    first, second = x.chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c.heads
        self.attn_norm, self.ffn_norm = Norm(c.width, c.norm_eps), Norm(c.width, c.norm_eps)
        self.attn_q, self.attn_k, self.attn_v, self.attn_output = (nn.Linear(c.width, c.width, bias=False) for _ in range(4))
        self.ffn_gate, self.ffn_up = (nn.Linear(c.width, c.ffn, bias=False) for _ in range(2))
        self.ffn_down = nn.Linear(c.ffn, c.width, bias=False)

    def forward(self, x, cos, sin, mask):
        batch, length, width = x.shape
        h = self.attn_norm(x)
        q, k, v = (f(h).view(batch, length, self.heads, -1).transpose(1, 2) for f in (self.attn_q, self.attn_k, self.attn_v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if FAST:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            mixed = (q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5) + mask).softmax(-1) @ v
        mixed = mixed.transpose(1, 2).reshape(batch, length, width)
        x = x + self.attn_output(mixed)
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


class Model(nn.Module):
    """Token ids (batch, length) to logits (batch, length, vocabulary)."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocab, config.width)
        self.blk = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.output_norm = Norm(config.width, config.norm_eps)
        cos, sin = rotary(config)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                deep = name.endswith(("attn_output.weight", "ffn_down.weight"))
                scale = 0.02 if "embd" in name else config.width ** -0.5 * 0.8
                nn.init.normal_(weight, std=scale / (2 * config.layers) ** 0.5 if deep else scale)

    def hidden(self, ids):
        length = ids.shape[1]
        mask = torch.full((length, length), -1e9).triu(1)
        x = self.token_embd(ids)
        for block in self.blk:
            x = block(x, self.cos[:length], self.sin[:length], mask)
        return self.output_norm(x)

    def forward(self, ids):
        return F.linear(self.hidden(ids), self.token_embd.weight)

    def count(self):
        return sum(weight.numel() for weight in self.parameters())
