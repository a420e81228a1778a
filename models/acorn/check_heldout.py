"""Proves that the held-out questions are not in the training text: exit 1 on any overlap.

It makes every prompt that either size was trained on and compares: no whole question may occur,
no run of eight words may be shared, and no pair of operands and no couple of named things may occur.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "text"))

import chats  # noqa: E402
import stories  # noqa: E402
import sums  # noqa: E402
from recipe import SHORTS, STEPS, STORIES  # noqa: E402


def words(text):
    """Lower-case words and numbers without punctuation."""
    return tuple(re.findall(r"[a-z]+|\d+", text.lower().replace("'", "")))


def grams(row, size=8):
    return {row[at:at + size] for at in range(len(row) - size + 1)}


def training_prompts():
    steps = max(STEPS.values())
    for index in range(max(steps * sum(SHORTS), 12_000)):
        yield from (content for role, content in chats.short_chat(index)[1] if role != "assistant")
    for index in range(max(steps * sum(STORIES), 3_000)):
        yield from (content for role, content in chats.story_chat(index)[1] if role != "assistant")


def main():
    items = [json.loads(line) for line in (HERE / "heldout.jsonl").read_text(encoding="utf-8").splitlines()]
    whole, runs, couples, count = set(), set(), set(), 0
    for prompt in training_prompts():
        row = words(prompt)
        count += 1
        whole.add(row)
        runs |= grams(row)
        numbers = tuple(sorted(int(word) for word in row if word.isdigit()))
        couples.add(numbers)
    faults = []
    for item in items:
        row = words(item["prompt"])
        if row in whole:
            faults.append((item["id"], "the question is in the training text"))
        for run in grams(row) & runs:
            faults.append((item["id"], "shared: " + " ".join(run)))
        if item["kind"] == "sum":
            pair = tuple(sorted(int(word) for word in row if word.isdigit()))
            if pair in couples or not sums.is_held_out(*pair):
                faults.append((item["id"], f"the pair {pair} is not held out"))
        if item["kind"] == "story" and not stories.is_held_out(*(group[0] for group in item["expect"])):
            faults.append((item["id"], "the two things are not held out"))
    for name, reason in faults:
        print(f"{name}: {reason}")
    print(f"{len(items)} held-out questions, {count} training prompts, {len(whole)} of them different, {len(faults)} overlaps")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
