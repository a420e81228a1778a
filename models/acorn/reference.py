"""Acorn in plain numpy, read from its GGUF file: a second opinion on llama.cpp's numbers."""

import struct
from pathlib import Path

import numpy as np

from tokenizer import Tokenizer

_SCALARS = {4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q"}


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value = struct.unpack_from(form, self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def text(self):
        size = self.number("<Q")
        self.at += size
        return self.data[self.at - size:self.at].decode("utf-8")

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            inner, count = self.number("<I"), self.number("<Q")
            return [self.value(inner) for _ in range(count)]
        return self.number(_SCALARS[kind])


def read_gguf(path):
    """(metadata, tensors) of a file that `gguf_writer` wrote; Q8_0 comes back as float32."""
    reader = _Reader(Path(path).read_bytes())
    assert reader.data[:4] == b"GGUF", "this is no GGUF file"
    reader.at = 8
    tensor_count, key_count = reader.number("<Q"), reader.number("<Q")
    metadata = {}
    for _ in range(key_count):
        key = reader.text()
        metadata[key] = reader.value(reader.number("<I"))
    infos = []
    for _ in range(tensor_count):
        name, dims = reader.text(), reader.number("<I")
        shape = [reader.number("<Q") for _ in range(dims)][::-1]
        infos.append((name, shape, reader.number("<I"), reader.number("<Q")))
    start, tensors = reader.at + -reader.at % 32, {}
    for name, shape, kind, offset in infos:
        count = int(np.prod(shape))
        if kind == 0:
            values = np.frombuffer(reader.data, "<f4", count, start + offset)
        else:
            packed = np.frombuffer(reader.data, np.uint8, count // 32 * 34, start + offset).reshape(-1, 34)
            scale = packed[:, :2].copy().view("<f2").astype(np.float32)
            values = packed[:, 2:].view(np.int8) * scale
        tensors[name] = values.reshape(shape).astype(np.float32)
    return metadata, tensors


class Reference:
    """Keeps the keys and values of a batch of texts of one length; `step` adds one token to each."""

    def __init__(self, path):
        self.meta, self.w = read_gguf(path)
        self.layers = self.meta["llama.block_count"]
        self.heads = self.meta["llama.attention.head_count"]
        self.eps = self.meta["llama.attention.layer_norm_rms_epsilon"]
        self.tokenizer = Tokenizer([merge.split(" ") for merge in self.meta["tokenizer.ggml.merges"]])
        head = self.meta["llama.rope.dimension_count"]
        self.speed = self.meta["llama.rope.freq_base"] ** (-np.arange(0, head, 2) / head)
        self.clear()

    def clear(self):
        self.kept, self.at = [None] * self.layers, 0

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.w[name]

    def rotate(self, x, at):
        even, odd, out = x[..., 0::2], x[..., 1::2], np.empty_like(x)
        cos, sin = np.cos(at * self.speed), np.sin(at * self.speed)
        out[..., 0::2], out[..., 1::2] = even * cos - odd * sin, even * sin + odd * cos
        return out

    def step(self, tokens):
        """Logits (batch, vocabulary) after one more token of each text."""
        x, w = self.w["token_embd.weight"][tokens], self.w
        batch, width = x.shape
        for layer in range(self.layers):
            name = f"blk.{layer}."
            h = self.norm(x, name + "attn_norm.weight")
            q, k, v = ((h @ w[f"{name}attn_{part}.weight"].T).reshape(batch, self.heads, -1) for part in "qkv")
            q, k = self.rotate(q, self.at), self.rotate(k, self.at)
            if self.kept[layer] is None:
                room = (batch, self.heads, self.meta["llama.context_length"], q.shape[-1])
                self.kept[layer] = np.zeros(room, np.float32), np.zeros(room, np.float32)
            for kept, new in zip(self.kept[layer], (k, v)):
                kept[:, :, self.at] = new
            keys, values = (kept[:, :, :self.at + 1] for kept in self.kept[layer])
            scores = (keys @ q[..., None])[..., 0] / np.sqrt(width // self.heads)
            mixed = (softmax(scores)[:, :, None] @ values).reshape(batch, width)
            x = x + mixed @ w[name + "attn_output.weight"].T
            h = self.norm(x, name + "ffn_norm.weight")
            gate = h @ w[name + "ffn_gate.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ w[name + "ffn_up.weight"].T)) @ w[name + "ffn_down.weight"].T
        self.at += 1
        return self.norm(x, "output_norm.weight") @ w["token_embd.weight"].T


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)
