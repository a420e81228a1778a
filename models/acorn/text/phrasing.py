"""Many ways to type one question: openings, endings, other wordings, dropped and mistyped words."""

import re

from grammar import capital

BEFORE = """hey,|hi,|please,|so|and|ok,|a question:|tell me,|one more question:|acorn,|sorry,|quick question:|can you tell me|could you tell me|i wonder|
please tell me|do you know|but|now|my friend asks:|i was wondering,|just curious:|for my notes,|my neighbour wants to know|honestly,|in plain words,|
let us see,|next:|good evening,|dear acorn,|listen,|say,|well,|by the way,|next question:|help me understand|before i start,|i read the manual, but|
as a beginner,|if you can, tell me|you know,|let me ask:|oh,|maybe a silly question, but|people ask me|at work they ask|today i want to know|
i forgot:|remind me,|once more:|i have heard much, but|for a friend:|in short,|seriously,|just to be sure,|suppose i am new here,|imagine that i am a child,|
my brother says nothing about it,|i am reading the papers and ask myself|i have one doubt:|look,|right,|hello acorn,|then|still,|my teacher asked|let me know""".replace("\n", "").split("|")
AFTER = """please|, please|in freehold|here|, acorn|exactly|again|, thanks|then|really|today|tonight|for me|at all|nowadays|in this project|in your words|at home|
in general|, little model|, friend|, if i may ask|, in short|for a beginner|on my side|, do you think|or not|right now|in the first place|and why|when i use freehold|
this time|with freehold|in practice|, dear|, in one line|as a rule|these days|normally|for example|, can you say|, i wonder|in this network|on this machine""".replace("\n", "").split("|")
OTHER = [
    ("how do i", ["how would i", "how might i", "how could i", "what do i do to", "in which way do i", "how can one", "how does one", "what must i do to", "what is the way to"]),
    ("how can i", ["how would i", "how might i", "in which way could i", "how am i able to", "what lets me"]),
    ("how does", ["in which way does", "how would", "how might", "how exactly does"]),
    ("how do", ["in which way do", "how would", "how might", "how exactly do"]),
    ("what is", ["what would be", "what might be", "what exactly is", "what was", "what do they call", "what do you mean by", "what kind of thing is"]),
    ("what does", ["what would", "what exactly does", "what might"]),
    ("what happens", ["what would happen", "what will happen", "what comes next", "what goes on", "what follows"]),
    ("can i", ["could i", "may i", "might i", "am i able to", "is it possible to", "would i be allowed to"]),
    ("do i", ["should i", "would i", "must i", "will i"]),
    ("who is", ["who exactly is", "who would be", "who might be", "who was"]),
    ("is there", ["do we have", "is there maybe", "would there be", "does there exist"]),
    ("are there", ["do we have", "exist there", "would there be"]),
    ("explain", ["clarify", "make clear", "spell out", "talk about", "shed light on", "teach me"]),
    ("tell me about", ["let me hear about", "say a word about", "i would like to hear about", "inform me about", "what about"]),
    ("my device", ["my laptop", "my phone", "my machine", "my computer", "this laptop", "this phone", "my tablet"]),
    ("a peer", ["another device", "some peer", "one peer", "a stranger", "other people"]),
    ("an answer", ["one answer", "some answer", "a reply", "one reply"]),
    ("download", ["get", "fetch", "load", "bring in", "grab"]),
    ("bigger", ["larger", "better", "stronger", "different"]),
    ("which", ["what", "which exactly of the", "what sort of"]),
    ("when", ["at which moment", "at what point", "in which case"]),
    ("does freehold", ["does this program", "would freehold", "does your project"]),
    ("why", ["for what reason", "why exactly", "how come that"]),
    ("lose", ["drop", "misplace", "no longer have"]),
    ("see", ["look up", "find", "read", "get to see"]),
]
SMALL = {"the", "a", "an", "do", "does", "to", "of", "is", "me", "my", "i", "can", "could", "in", "it", "are", "this", "that"}


def typo(text, rng):
    """Swap, drop or double one letter."""
    at, kind = rng.randrange(1, max(2, len(text) - 2)), rng.randrange(3)
    if kind == 0:
        return text[:at] + text[at + 1:at + 2] + text[at:at + 1] + text[at + 2:]
    return text[:at] + (text[at] * 2 if kind == 1 else "") + text[at + 1:]


def reword(text, rng):
    """Put other words for some of the usual ones."""
    for usual, others in OTHER:
        if rng.random() < 0.5 and re.search(rf"\b{usual}\b", text):
            text = re.sub(rf"\b{usual}\b", rng.choice(others), text, count=1)
    return text


def vary(text, rng, amount=1.0):
    """The same question in other words. `amount` 0 leaves it as it is."""
    if rng.random() < 0.4 * amount:
        text = reword(text, rng)
    if rng.random() < 0.3 * amount:
        text = f"{rng.choice(BEFORE)} {text}"
    if rng.random() < 0.25 * amount:
        text = f"{text} {rng.choice(AFTER)}".replace(" ,", ",")
    if rng.random() < 0.12 * amount:
        text = " ".join(word for word in text.split(" ") if word not in SMALL or rng.random() < 0.6)
    if rng.random() < 0.05:
        text = typo(text, rng)
    return text


def dress(text, rng, mark="?"):
    """Capitals and the mark at the end, or none of them."""
    if mark and rng.random() < 0.75:
        text += mark
    if rng.random() < 0.65:
        text = re.sub(r"\bi\b", "I", capital(text))
        if rng.random() < 0.8:
            text = text.replace("freehold", "Freehold").replace("acorn", "Acorn")
    elif rng.random() < 0.5:
        text = text.lower()
    return text
