"""Trains Acorn: text, tokenizer, both sizes, GGUF files. Resumes from build/ when it was interrupted.

    nice -n 5 /usr/bin/python3 models/acorn/train.py --size all
"""

import argparse
import os
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "text"))

import chats  # noqa: E402
from export import export  # noqa: E402
from grow import grow  # noqa: E402
from model import SIZES, Model  # noqa: E402
from muon import Muon  # noqa: E402
from recipe import GROWN, HEIGHT, MATRIX_RATE, PROMPT_WEIGHT, RATE, SEED, SHORTS, STEPS, STORIES  # noqa: E402
from tokenizer import Tokenizer, train as train_tokenizer  # noqa: E402

BUILD = HERE / "build"


def get_tokenizer():
    """Load tokenizer.json or learn it from the first chats."""
    path = HERE / "tokenizer.json"
    if not path.exists():
        made = [chats.story_chat(i) for i in range(3000)] + [chats.short_chat(i) for i in range(12000)]
        texts = (content for _, messages in made for _, content in messages)
        Tokenizer(train_tokenizer(["user\n", "assistant\n", "system\n"] * 3000 + list(texts), 2048)).save(path)
    return Tokenizer.load(path)


def pack(tokenizer, coded):
    """Pad coded chats to one length: ids and the weight of predicting each next token."""
    length = min(1024, max(len(ids) for ids, _ in coded))
    ids = torch.full((len(coded), length), tokenizer.id["<|endoftext|>"])
    weight = torch.zeros(len(coded), length)
    for row, (tokens, mask) in enumerate(coded):
        tokens, mask = tokens[:length], mask[:length]
        ids[row, :len(tokens)] = torch.tensor(tokens)
        weight[row, :len(tokens)] = torch.tensor([1.0 if m else PROMPT_WEIGHT for m in mask])
    return ids, weight


def step_batches(tokenizer, step):
    """The micro-batches of one step: chats of about one length together, to pad little."""
    parts = []
    for make, sizes in ((chats.short_chat, SHORTS), (chats.story_chat, STORIES)):
        count = sum(sizes)
        coded = [tokenizer.encode_chat(make(i)[1]) for i in range(step * count, (step + 1) * count)]
        coded.sort(key=lambda chat: len(chat[0]))
        for size in sizes:
            parts.append(coded[:size])
            coded = coded[size:]
    return [pack(tokenizer, part) for part in parts]


def token_losses(model, ids, weight):
    """Loss of each counted token, with its weight. Only counted positions reach the output matrix."""
    hidden = model.hidden(ids[:, :-1])
    goal, weight = ids[:, 1:], weight[:, 1:]
    counted = weight > 0
    logits = F.linear(hidden[counted], model.token_embd.weight)
    return F.cross_entropy(logits.float(), goal[counted], reduction="none"), weight[counted]


def rate(step, steps, top):
    """Warm-up, level for two fifths of the way, then down in a straight line."""
    warm, level = 40, steps * 4 // 10
    return top * min((step + 1) / warm, 1.0, (steps - step) / (steps - level))


@torch.no_grad()
def validate(model, tokenizer):
    """Mean loss per assistant token for each kind, on chats that are not trained on."""
    kinds = {}
    for made in [chats.short_chat(i, "valid") for i in range(160)] + [chats.story_chat(i, "valid") for i in range(8)]:
        ids, weight = pack(tokenizer, [tokenizer.encode_chat(made[1])])
        loss, weight = token_losses(model, ids, weight)
        total = kinds.setdefault(made[0], [0.0, 0])
        total[0] += loss[weight == 1].sum().item()
        total[1] += int((weight == 1).sum())
    return {kind: round(total / count, 3) for kind, (total, count) in sorted(kinds.items())}


def save(path, state):
    """Write beside, then rename: an interrupted save leaves the old file."""
    torch.save(state, f"{path}.part")
    os.replace(f"{path}.part", path)


def train(size, steps, out, minutes=None):
    """Train one size to `steps` and export it. With `minutes`, stop there and export what is reached."""
    torch.manual_seed(SEED)
    tokenizer, model = get_tokenizer(), Model(SIZES[size])
    inner = [w for w in model.blk.parameters() if w.dim() == 2]
    known = {id(w) for w in inner}
    outer = [w for w in model.parameters() if id(w) not in known]
    optimisers = [Muon(inner, lr=MATRIX_RATE), torch.optim.AdamW(outer, lr=RATE, betas=(0.9, 0.98), weight_decay=0.0)]
    checkpoint, first, spent = BUILD / f"{size}.pt", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        for optimiser, kept in zip(optimisers, state["optimisers"]):
            optimiser.load_state_dict(kept)
        first, spent = state["step"], state["seconds"]
    elif size in GROWN:
        seed = torch.load(BUILD / f"{GROWN[size]}.pt")["model"]
        model.load_state_dict(grow(seed, model.state_dict()))
        print(f"{size}: grown from {GROWN[size]}: {validate(model, tokenizer)}", flush=True)
    print(f"{size}: {model.count():,} parameters, from step {first} of {steps}", flush=True)
    begin, tokens, shown = time.time(), 0, 0.0
    for step in range(first, steps):
        for optimiser, top in zip(optimisers, (MATRIX_RATE, RATE)):
            for group in optimiser.param_groups:
                group["lr"] = rate(step, steps, top * HEIGHT[size])
        batches = step_batches(tokenizer, step)
        total = sum(weight[:, 1:].sum() for _, weight in batches)
        for ids, weight in batches:
            loss, weight = token_losses(model, ids, weight)
            part = (loss * weight).sum() / total
            part.backward()
            shown += part.item()
            tokens += ids.numel()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        late = minutes is not None and time.time() - begin > minutes * 60
        if (step + 1) % 50 == 0:
            speed = tokens / (time.time() - begin)
            print(f"{size} step {step + 1} loss {shown / 50:.3f}, {speed:.0f} tokens/s", flush=True)
            shown = 0.0
        if (step + 1) % 50 == 0 or step + 1 == steps or late:
            seconds = spent + time.time() - begin
            kept = [optimiser.state_dict() for optimiser in optimisers]
            save(checkpoint, {"model": model.state_dict(), "optimisers": kept, "step": step + 1, "seconds": seconds})
            print(f"{size} step {step + 1} after {seconds / 60:.1f} min: {validate(model, tokenizer)}", flush=True)
            export(model, tokenizer, out / f"{size}-q8_0.gguf")
        if late:
            break
    export(model, tokenizer, out / f"{size}-q8_0.gguf")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=[*SIZES, "all"], default="all")
    parser.add_argument("--steps", type=int, help="instead of the usual number")
    parser.add_argument("--minutes", type=float, help="stop after this time, for a trial")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    BUILD.mkdir(exist_ok=True)
    for size in STEPS if options.size == "all" else [options.size]:
        train(size, options.steps or STEPS[size], options.out, options.minutes)
