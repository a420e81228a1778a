"""Questions and answers about Freehold and small talk, read from the hand-written text files."""

from pathlib import Path

from grammar import expand
from phrasing import dress, vary

HERE = Path(__file__).parent
GENERAL = [
    "what {is|are} <x>", "what {is|are} <x>", "what does <x> mean", "explain <x>", "tell me about <x>", "what do you know about <x>",
    "can you explain <x>", "could you explain <x> {to me|simply|in short}", "please explain <x>", "what {exactly|really} is <x>",
    "what about <x>", "i do not understand <x>", "i don't get <x>", "say something about <x>", "<x>", "define <x>",
    "what is meant by <x>", "how would you explain <x>", "what can you tell me about <x>", "tell me more about <x>",
    "what should i know about <x>", "i want to know about <x>", "how does freehold define <x>", "describe <x>",
    "give me a definition of <x>", "what's <x>", "whats <x>", "do you know <x>", "in short, what is <x>",
    "somebody mentioned <x>, what is {it|that}", "i {read|heard|saw|met} the word{s|} <x>", "what is behind <x>", "what do people mean by <x>",
    "what is the meaning of <x>", "<x>, what is that", "how should i {picture|understand|imagine} <x>", "what is <x> {good|used|there} for",
    "what role does <x> play", "help me with <x>", "{can|could} you say more about <x>", "i have a question about <x>", "what does <x> do",
    "why is there <x>", "why do we need <x>", "what use is <x>", "teach me about <x>", "what makes <x> {important|special|useful}",
    "{where|when} do i meet <x>", "someone told me about <x>", "i never heard of <x>", "the {text|manual|screen|page} says <x>, {why|what is that|what does it mean}",
    "what would you say about <x>", "my question is about <x>", "how do you understand <x>", "what comes to your mind about <x>",
]


def read_topics(path):
    """Topics of a text file: answers (`=`), names (`~`) and question patterns (`?`)."""
    topics, topic = [], None
    for line in path.read_text(encoding="utf-8").splitlines():
        mark, rest = line[:2], line[2:].strip()
        if line.startswith("## "):
            topic = {"id": line[3:].strip(), "answers": [], "names": [], "questions": []}
            topics.append(topic)
        elif mark == "= ":
            topic["answers"].append(rest)
        elif mark == "~ ":
            topic["names"] += [name.strip() for name in rest.split(" | ")]
        elif mark == "? ":
            topic["questions"].append(rest)
        elif line and not line.startswith("# "):
            raise ValueError(f"{path.name}: cannot read {line!r}")
    return topics


FACTS = [t for path in sorted((HERE / "facts").glob("*.txt")) for t in read_topics(path)]
SMALL_TALK = read_topics(HERE / "smalltalk.txt")


def sample_fact(rng):
    """One question about Freehold or Acorn, and its answer."""
    topic = rng.choice(FACTS)
    if topic["names"] and rng.random() < 0.4:
        text = expand(rng.choice(GENERAL), rng, words={"x": rng.choice(topic["names"])})
    else:
        text = expand(rng.choice(topic["questions"]), rng)
    return dress(vary(text, rng), rng), rng.choice(topic["answers"])


def sample_small_talk(rng):
    """One line of small talk and a reply."""
    topic = rng.choice(SMALL_TALK if rng.random() < 0.75 else SMALL_TALK[-1:])
    text = expand(rng.choice(topic["questions"]), rng)
    asks = text.split(" ")[0].lower() in {"what", "how", "who", "when", "where", "do", "can", "are", "is", "will", "should", "which"}
    return dress(vary(text, rng, 0.6), rng, "?" if asks else rng.choice(["", "", "!", "."])), rng.choice(topic["answers"])
