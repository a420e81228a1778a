"""How much choice there is in Acorn's stories: entropy at temperature 1, lengths, and the distance to Acorn small."""

import argparse
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "text"))

import stories  # noqa: E402
from grammar import expand, seeded  # noqa: E402
from reference import Reference, softmax  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=int, default=96)
    parser.add_argument("--model", type=Path, default=HERE / "acorn-q8_0.gguf")
    parser.add_argument("--other", type=Path, default=HERE / "acorn-small-q8_0.gguf")
    options = parser.parse_args()
    big, small = Reference(options.model), Reference(options.other)
    rows = [tell(big, small, index) for index in range(options.stories)]
    entropy, distance, lengths = (np.concatenate([row[part] for row in rows]) for part in range(3))
    print(f"{len(rows)} stories at temperature 1 over the whole vocabulary, {len(entropy)} tokens")
    print(f"mean entropy {entropy.mean():.3f} nats a token, by story from {min(r[0].mean() for r in rows):.2f} to {max(r[0].mean() for r in rows):.2f}")
    print(f"mean length {lengths.mean():.0f} tokens, {np.mean(lengths >= 128) * 100:.0f} % of the stories have 128 or more")
    print(f"KL(Acorn || Acorn small) {distance.mean():.3f} nats a token")


def tell(big, small, index, limit=600):
    """(entropies, distances, [length]) of one sampled story."""
    rng, dice = seeded("acorn", "measure", index), np.random.default_rng(index)
    prompt = expand(rng.choice(stories.ABOUT[:6]), rng, words={"x": stories.topic(rng)[0]})
    ids, _ = big.tokenizer.encode_chat([("user", prompt)], answer=True)
    end = big.tokenizer.id["<|im_end|>"]
    big.clear(), small.clear()
    entropies, distances = [], []
    for token in ids:
        logits, other = big.step([token]), small.step([token])
    while len(entropies) < limit:
        p, q = softmax(logits[0].astype(np.float64)), softmax(other[0].astype(np.float64))
        entropies.append(-(p * np.log(p + 1e-30)).sum())
        distances.append((p * (np.log(p + 1e-30) - np.log(q + 1e-30))).sum())
        token = int(dice.choice(len(p), p=p / p.sum()))
        if token == end:
            break
        logits, other = big.step([token]), small.step([token])
    return np.array(entropies), np.array(distances), np.array([len(entropies)])


if __name__ == "__main__":
    main()
