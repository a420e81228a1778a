"""Whole chats: lists of messages, each made from its index alone, the same on every machine."""

import echo
import facts
import phrasing
import stories
import sums
import units
from grammar import capital, seeded

KINDS = [("fact", facts.sample_fact, 48), ("talk", facts.sample_small_talk, 9), ("sum", sums.sample, 33), ("unit", units.sample, 10), ("echo", echo.sample, 40)]
SYSTEM = ["You are Acorn.", "You are a helpful assistant.", "You are Acorn, a small model.", "Answer briefly.", "Be kind.",
          "You are a helpful and honest assistant.", "You are Acorn, the model that comes with Freehold."]


def short_turn(rng):
    kind, make, _ = rng.choices(KINDS, [weight for _, _, weight in KINDS])[0]
    question, answer = make(rng)
    if kind in ("sum", "unit") and rng.random() < 0.25:
        question = frame(question, rng)
    return kind, (question, answer)


def frame(request, rng):
    """A request with some words before or after it."""
    if rng.random() < 0.6:
        before = rng.choice(phrasing.BEFORE)
        return capital(f"{before} {request}")
    return f"{request.rstrip('?.= ')} {rng.choice(phrasing.AFTER)}".replace(" ,", ",")


def messages(turns, rng):
    """Turns as messages, sometimes after a system message."""
    result = [("system", rng.choice(SYSTEM))] if rng.random() < 0.1 else []
    for question, answer in turns:
        result += [("user", question), ("assistant", answer)]
    return result


def short_chat(index, split="train"):
    """(kind of the last turn, messages) of a chat without a story."""
    rng = seeded("acorn", split, "short", index)
    more = rng.choices([0, 1, 2], [0.89, 0.08, 0.03])[0]
    turns = [short_turn(rng) for _ in range(more + 1)]
    return turns[-1][0], messages([turn for _, turn in turns], rng)


def story_chat(index, split="train"):
    """('story', messages) of a chat that ends with a story."""
    rng = seeded("acorn", split, "story", index)
    turns = [short_turn(rng)[1]] if rng.random() < 0.06 else []
    if rng.random() < 0.05:
        turns.append(stories.sample(rng))
    request, story = stories.sample(rng)
    turns.append((frame(request, rng) if rng.random() < 0.3 else request, story))
    return "story", messages(turns, rng)
