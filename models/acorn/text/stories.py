"""Short stories about named things, with as much free choice as their grammar has."""

from pathlib import Path

from grammar import capital, expand, fix_articles, read_rules, seeded

HERE = Path(__file__).parent / "stories"
WORDS = read_rules(HERE / "words.txt")
RULES = {**WORDS, **read_rules(HERE / "plot.txt")}
PRONOUNS = [("he", "him", "his"), ("she", "her", "her")]
HE = {"boy", "king", "prince", "fisherman", "postman", "ferryman"}
SHE = {"girl", "queen", "princess", "witch", "mermaid"}

ABOUT = [
    "{Tell|tell|Please tell} me a {|short |little |nice |new |funny |good |}story about <x>{.|!| please.|}",
    "{Tell|tell} a {story|tale} about <x>{.|}",
    "{Write|write|Please write|Make up|Invent} a {|short |little |long |}{story|tale} about <x>{.|}",
    "{Can|Could|can|could|Would} you tell me a {story|tale} about <x>{?|}",
    "{I want|I would like|I'd like|Give me|give me} a {|bedtime |short |long |}story {about|with} <x>{.| please.|}",
    "{A|a|another|One more} story about <x>{.|, please.|}",
    "{Do you know a|Is there a} {story|tale} about <x>{?|}",
    "{story|Story}: <x>",
    "{Tell|tell} me {about|something about} <x> {in a story|as a story}{.|}",
]
PLAIN = [
    "{Tell|tell|Please tell} me a {|short |little |nice |new |bedtime |good |}story{.|!| please.|}",
    "{Tell|tell} me another {story|one}{.|}",
    "{Can|Could|can|could|Would} you tell me a {story|tale}{?|}",
    "{I want|I would like|Give me|give me} a {|bedtime |}story{.| please.|}",
    "{Write|write} a {|short |little |}{story|tale}{.|}",
    "{a story|A story, please.|another story|Story time!|surprise me with a story}",
]
LONG = ["{Tell|tell|Write|write} me a {long|very long} story about <x>{.|}", "{Write|write} a long {story|tale} about <x>{.|}"]


def is_held_out(first, second):
    """About one couple of things in ten is never named together in the training text."""
    return seeded("acorn-story", *sorted((first, second))).random() < 0.1


def pronouns(kind, rng):
    if kind in HE:
        return PRONOUNS[0]
    if kind in SHE:
        return PRONOUNS[1]
    return rng.choice(PRONOUNS)


def bind(rng, named):
    """The words that stay the same through one story. `named` maps a role to a noun."""
    hero_kinds = WORDS["animal"] if rng.random() < 0.6 else WORDS["person"]
    hero = named.get("hero") or rng.choice(hero_kinds)
    friend = named.get("friend") or rng.choice(WORDS["animal"] + WORDS["person"])
    name, friend_name = rng.sample(WORDS["name"], 2)
    s, o, p = pronouns(hero, rng)
    fs, fo, fp = pronouns(friend, rng)
    return {
        "n": named.get("name") or name, "k": hero, "s": s, "o": o, "p": p,
        "m": friend_name, "fk": friend, "fs": fs, "fo": fo, "fp": fp,
        "i": named.get("thing") or rng.choice(WORDS["thing"]),
        "pl": named.get("place") or rng.choice(WORDS["place"]),
        "pn": rng.choice(WORDS["placename"]),
        "boss": rng.choice(WORDS["person"]),
    }


def plan(rng, length):
    """The order of the parts, most of them optional."""
    def maybe(part, chance):
        return [part] if rng.random() < chance else []

    if length == "short":
        return ["open", "item-open", "list", "spell", "short-bridge", "list", "turn", "end"]
    parts = ["open"] + maybe("weather-line", 0.3)
    start = maybe("character", 0.5) + ["item-open"] + maybe("want", 0.5)
    rng.shuffle(start)
    parts += start + ["problem"] + maybe("journey", 0.85) + ["meet", "talk"]
    parts += maybe("weather-line", 0.2) + ["attempt"] + maybe("attempt", 0.3)
    for part in ["list"] * rng.choice([3, 3, 4]) + ["spell"] * rng.choice([2, 2, 3]):
        parts.insert(rng.randrange(2, len(parts) + 1), part)
    if length == "long":
        parts += ["journey", "talk", "problem", "journey", "attempt", "talk", "attempt"]
    return parts + ["turn", "solve"] + maybe("talk", 0.15) + ["end"] + maybe("end", 0.25)


def tell(rng, named, length="usual"):
    """A story as one text; no sentence pattern is used twice."""
    words, used, lines = bind(rng, named), set(), []
    for part in plan(rng, length):
        options = [line for line in RULES[part] if line not in used] or RULES[part]
        pattern = rng.choice(options)
        used.add(pattern)
        lines.append(sentence_case(expand(pattern, rng, RULES, words)))
    text = fix_articles(" ".join(lines))
    if rng.random() < 0.12:
        text = fix_articles(f"{title(words, rng)}\n\n") + text
    return text


def sentence_case(text):
    """Capital letters at the start, after a full stop and where speech begins."""
    out, start = [], True
    for index, char in enumerate(text):
        if start and char.isalpha():
            char, start = char.upper(), False
        elif char in ".!?":
            start = index + 1 < len(text) and text[index + 1] == " "
        elif char == '"' and text[max(0, index - 2):index] == ": ":
            start = True
        out.append(char)
    return "".join(out)


def title(words, rng):
    first = rng.choice([words["n"], f"the {words['k']}", f"a {words['k']}"])
    return capital(f"{first} and the {words['i']}")


def phrase(noun, rng, definite=0.12):
    """A noun as a person may type it."""
    if rng.random() < 0.12:
        noun = f"{rng.choice(WORDS['look'])} {noun}"
    return ("the " if rng.random() < definite else "a ") + noun


def topic(rng):
    """What the user names: a phrase and the roles that its nouns play."""
    while True:
        shape = rng.random()
        hero = rng.choice(WORDS["animal"] + WORDS["person"])
        friend = rng.choice(WORDS["animal"] + WORDS["person"])
        thing, place = rng.choice(WORDS["thing"]), rng.choice(WORDS["place"])
        if shape < 0.4:
            nouns, roles = (hero, thing), {"hero": hero, "thing": thing}
        elif shape < 0.55:
            nouns, roles = (hero, friend), {"hero": hero, "friend": friend}
        elif shape < 0.68:
            nouns, roles = (hero, place), {"hero": hero, "place": place}
        elif shape < 0.82:
            nouns, roles = (hero,), {"hero": hero}
        elif shape < 0.92:
            nouns, roles = (thing,), {"thing": thing}
        else:
            nouns, roles = (thing, place), {"thing": thing, "place": place}
        if len(set(nouns)) == len(nouns) and not (len(nouns) == 2 and is_held_out(*nouns)):
            break
    if "hero" in roles and rng.random() < 0.12:
        roles["name"] = rng.choice(WORDS["name"])
        text = f"a {roles['hero']} {rng.choice(['named', 'called'])} {roles['name']}"
        if len(nouns) == 2:
            text += " and " + phrase(nouns[1], rng)
        return fix_articles(text), roles
    parts = [phrase(noun, rng, 0.5 if noun == place else 0.12) for noun in nouns]
    if "place" in roles and len(parts) == 2 and rng.random() < 0.4:
        return fix_articles(f"{parts[0]} in the {place}"), roles
    if "hero" in roles and len(parts) == 2 and rng.random() < 0.2:
        return fix_articles(f"{parts[0]} {rng.choice(['who finds', 'and', 'with', 'that finds'])} {parts[1]}"), roles
    return fix_articles(" and ".join(parts)), roles


OPENINGS = [
    "Here is a story about <x>. ", "Here is a story about <x>. ", "This is a story about <x>. ", "A story about <x>: ",
    "Let me tell you about <x>. ", "Here comes a tale about <x>. ", "You asked for <x>: ",
]


def opened(rng, text, story):
    """Most stories begin by naming what was asked for, in the words of the asker."""
    return expand(rng.choice(OPENINGS), rng, words={"x": text}) + story if rng.random() < 0.85 else story


def sample(rng):
    """One request and its story."""
    if rng.random() < 0.15:
        return expand(rng.choice(PLAIN), rng), tell(rng, {})
    text, named = topic(rng)
    if rng.random() < 0.1:
        return expand(rng.choice(LONG), rng, words={"x": text}), opened(rng, text, tell(rng, named, "long"))
    question = expand(rng.choice(ABOUT), rng, words={"x": text})
    if "long" in question:
        return question, opened(rng, text, tell(rng, named, "long"))
    length = "short" if "short" in question or "little" in question else "usual"
    return question, opened(rng, text, tell(rng, named, length))
