"""Sums and differences of numbers from 0 to 99, with the working shown digit by digit.

Pairs of operands are split by a hash: a pair that is held out occurs nowhere in the
training text, in neither order and with neither sign.
"""

import hashlib

from grammar import expand

PLUS = [
    "{What is|What's|what is|what's|whats|How much is|how much is} <a> {plus|+|and} <b>{?|}",
    "<a> + <b>{| =|?| = ?}",
    "<a>+<b>{|=|?|=?}",
    "<a> plus <b>{|?}",
    "{Add|add|Please add} <a> {and|to} <b>{.|}",
    "{Calculate|Compute|Work out|Solve|calculate|solve} <a> {+|plus} <b>{.|}",
    "{What|what} {do|does} <a> {plus|and} <b> {make|give|equal}{?|}",
    "{What is|what is|Give me|Tell me|tell me} the sum of <a> and <b>{?|.|}",
    "{Can|Could|can} you add <a> and <b>{?| please?| for me?|}",
]
MINUS = [
    "{What is|What's|what is|what's|whats|How much is|how much is} <a> {minus|-|less} <b>{?|}",
    "<a> - <b>{| =|?| = ?}",
    "<a>-<b>{|=|?|=?}",
    "<a> minus <b>{|?}",
    "{Subtract|subtract|Take|take|Please subtract} <b> from <a>{.|}",
    "{Calculate|Compute|Work out|Solve|calculate|solve} <a> {-|minus} <b>{.|}",
    "{What|what} {is left|remains} {if|when} {I|you} take <b> from <a>{?|}",
    "{What is|what is|Give me|Tell me|tell me} the difference between <a> and <b>{?|.|}",
    "{Can|Could|can} you {subtract|take} <b> from <a>{?| please?| for me?|}",
]


def is_held_out(a, b):
    """About one pair in twelve, the same for a+b, b+a, a-b and b-a."""
    low, high = sorted((a, b))
    digest = hashlib.sha256(f"acorn-sum {low} {high}".encode()).digest()
    return high >= 10 and digest[0] < 21


def plus_answer(a, b):
    """The sum once more, the ones, the tens, then the result."""
    if a < 10 and b < 10:
        return f"{a} + {b} = {a + b}."
    ones, carry = a % 10 + b % 10, ""
    tens = f"{a // 10} + {b // 10}"
    if ones > 9:
        carry = ", carry 1"
        tens += " + 1"
    return f"{a} + {b}: {a % 10} + {b % 10} = {ones}{carry}; {tens} = {a // 10 + b // 10 + ones // 10}. Answer: {a + b}."


def minus_answer(a, b):
    """The same with a borrowed ten where one is needed, for a ≥ b; else turned round."""
    if a < b:
        return f"{b} is larger. {minus_answer(b, a).replace('Answer: ', 'Answer: -')}" if b > 9 else f"{a} - {b} = -{b - a}."
    if a < 10:
        return f"{a} - {b} = {a - b}."
    top, tens, borrow = a % 10, f"{a // 10} - {b // 10}", ""
    if top < b % 10:
        top, borrow = top + 10, ", borrow 1"
        tens += " - 1"
    return f"{a} - {b}: {top} - {b % 10} = {top - b % 10}{borrow}; {tens} = {a // 10 - b // 10 - bool(borrow)}. Answer: {a - b}."


def number(rng):
    return rng.randrange(10, 100) if rng.random() < 0.92 else rng.randrange(10)


def pair(rng):
    """Two operands that are not held out."""
    while True:
        a, b = number(rng), number(rng)
        if not is_held_out(a, b):
            return a, b


def sample(rng):
    """One question and its answer."""
    a, b = pair(rng)
    words = {"a": str(a), "b": str(b)}
    if rng.random() < 0.5:
        return expand(rng.choice(PLUS), rng, words=words), plus_answer(a, b)
    if a < b and rng.random() < 0.8:
        a, b = b, a
    pattern = rng.choice(MINUS)
    if a < b and "difference" in pattern:
        a, b = b, a
    words = {"a": str(a), "b": str(b)}
    return expand(pattern, rng, words=words), minus_answer(a, b)
