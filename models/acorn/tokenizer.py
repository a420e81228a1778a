"""A byte-level BPE tokenizer: trainer and encoder, equal to llama.cpp's `gpt2` model with `smollm` splitting."""

import json
import re
from collections import Counter, defaultdict
from functools import lru_cache

SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
# Every digit apart, then GPT-2's pattern (the letters class stands in for \p{L}).
_SPLIT = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?[^\s\w]+| ?_+|\s+(?!\S)|\s+")
_DIGITS = re.compile(r"\d|\D+")
_SPECIAL_SPLIT = re.compile("(" + "|".join(map(re.escape, SPECIAL)) + ")")


def byte_letters():
    """GPT-2's printable letter for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {}, 0
    for byte in range(256):
        if byte in plain:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + extra)
            extra += 1
    return table


LETTER = byte_letters()
BYTE = {letter: byte for byte, letter in LETTER.items()}


def pieces(text):
    """The parts inside which merges happen, in GPT-2's letters."""
    for part in _DIGITS.findall(text):
        for piece in [part] if part.isdigit() else _SPLIT.findall(part):
            yield "".join(LETTER[byte] for byte in piece.encode())


def train(texts, vocab_size):
    """Learn merges until the vocabulary has `vocab_size` tokens. Ties go to the smaller pair."""
    counts = Counter(piece for text in texts for piece in pieces(text))
    words = [(list(piece), count) for piece, count in sorted(counts.items())]
    pair_count, where = Counter(), defaultdict(set)
    for index, (symbols, count) in enumerate(words):
        for pair in zip(symbols, symbols[1:]):
            pair_count[pair] += count
            where[pair].add(index)
    merges = []
    while len(merges) < vocab_size - 256 - len(SPECIAL):
        best = max(pair_count, key=lambda pair: (pair_count[pair], pair))
        if pair_count[best] < 2:
            raise ValueError("the text is too small for this vocabulary")
        merges.append(best)
        for index in sorted(where[best]):
            symbols, count = words[index]
            for pair in zip(symbols, symbols[1:]):
                pair_count[pair] -= count
            merged = merge(symbols, best)
            words[index] = (merged, count)
            for pair in zip(merged, merged[1:]):
                pair_count[pair] += count
                where[pair].add(index)
        del pair_count[best], where[best]
    return merges


def merge(symbols, pair):
    out, at = [], 0
    while at < len(symbols):
        if at + 1 < len(symbols) and (symbols[at], symbols[at + 1]) == pair:
            out.append(symbols[at] + symbols[at + 1])
            at += 2
        else:
            out.append(symbols[at])
            at += 1
    return out


class Tokenizer:
    """Encodes and decodes text. Token ids: 256 bytes, then merges, then the control tokens."""

    def __init__(self, merges):
        self.merges = [tuple(pair) for pair in merges]
        self.rank = {pair: at for at, pair in enumerate(self.merges)}
        self.tokens = [LETTER[byte] for byte in range(256)] + [a + b for a, b in self.merges] + SPECIAL
        self.id = {token: at for at, token in enumerate(self.tokens)}
        self._piece = lru_cache(maxsize=200_000)(self._encode_piece)

    def _encode_piece(self, piece):
        symbols = list(piece)
        while len(symbols) > 1:
            pair = min(zip(symbols, symbols[1:]), key=lambda p: self.rank.get(p, 1 << 30))
            if pair not in self.rank:
                break
            symbols = merge(symbols, pair)
        return tuple(self.id[symbol] for symbol in symbols)

    def encode(self, text):
        """Token ids of plain text; control tokens in it are read as letters."""
        return [token for piece in pieces(text) for token in self._piece(piece)]

    def encode_chat(self, messages, answer=False):
        """(ids, mask): the chat in the model's template; mask is 1 where the assistant speaks."""
        start, end = self.id[SPECIAL[0]], self.id[SPECIAL[1]]
        ids, mask = [], []
        for role, content in messages:
            head, body = [start, *self.encode(role + "\n")], [*self.encode(content), end]
            ids += head + body + self.encode("\n")
            mask += [0] * len(head) + [int(role == "assistant")] * len(body) + [0]
        if answer:
            ids += [start, *self.encode("assistant\n")]
        return ids, mask

    def decode(self, ids):
        return bytes(BYTE[c] for i in ids if self.tokens[i] not in SPECIAL for c in self.tokens[i]).decode("utf-8", "replace")

    def save(self, path):
        path.write_text(json.dumps(self.merges, ensure_ascii=False) + "\n", encoding="utf-8")

    @staticmethod
    def load(path):
        return Tokenizer(json.loads(path.read_text(encoding="utf-8")))
