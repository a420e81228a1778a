"""One-line requests about named things: short practice in saying what was named.

A small model learns late to take words over from a request. Whole stories name their things once in
two hundred tokens; these lines do little else. Half of their words are made up, so that nothing but
looking at the request helps.
"""

from grammar import expand, fix_articles
from stories import WORDS, is_held_out

ONSETS = "b br d dr f fl g gl h j k kl l m n p pl r s sn st t tr v w z sh th".split()
VOWELS = "a e i o u oo ee ai ou".split()
ENDS = "b d g k l m n p r s t x ck ll mp nd rt sh".split()

ASKS = [
    "{Give|give|Tell|tell} me {a|one} {title|headline|name} for a story about <x>{.|}",
    "{Write|write|Tell|tell me} {a|one} {one-line|single-line|one-sentence} story about <x>{.|}",
    "{In one sentence|In one line|in a line}, a story about <x>{.|}",
    "{How|how} would a story about <x> {begin|start}{?|}",
    "{Begin|Start|begin|start} a story about <x>{.|}",
    "{Only the first line of|Just the opening of} a story about <x>{.|, please.|}",
    "{What|what} could happen to <x>{? In one line.| in one line?}",
    "{Say|say|Repeat|repeat}{, please|}: <x>{.|}",
]
ANSWERS = [
    "A story about <x>: it {ended|began} {well|badly|late|in spring|at noon|with a song|with a quarrel}.",
    "Here is a story about <x>. {They|All|Both} {went home|had tea|fell asleep|were friends|sang}.",
    "You asked for <x>: once {there was|we saw|somebody met} <x>.",
    "Let me tell you about <x>. {The end.|That is all.|More tomorrow.}",
    "This is a story about <x>. It is {short|very short|a short one}.",
]


def word(rng):
    """A noun of the stories, or one that was never heard before."""
    if rng.random() < 0.5:
        kind = rng.choice(["animal", "person", "thing", "thing", "place"])
        return rng.choice(WORDS[kind])
    syllables = rng.choice([1, 2, 2, 3])
    return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(syllables)) + rng.choice(ENDS)


def sample(rng):
    """One request and its line."""
    while True:
        nouns = [word(rng) for _ in range(rng.choice([1, 2, 2, 2, 3]))]
        if len(set(nouns)) == len(nouns) and not any(is_held_out(a, b) for a in nouns for b in nouns):
            break
    parts = [f"{rng.choice(['a', 'a', 'a', 'the', 'one', 'my'])} {noun}" for noun in nouns]
    text = fix_articles(parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1])
    return expand(rng.choice(ASKS), rng, words={"x": text}), expand(rng.choice(ANSWERS), rng, words={"x": text})
