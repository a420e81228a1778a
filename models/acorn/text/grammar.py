"""A small text grammar: `{a|b|c}` picks one, `<name>` expands a rule or a bound word."""

import random
import re
from functools import lru_cache

_TOKEN = re.compile(r"[{}|]|<[a-z0-9_-]+>|[^{}|<]+|<")


@lru_cache(maxsize=None)
def parse(pattern):
    """Turn a pattern into nested tuples: str, ('rule', name) or ('pick', options)."""
    tokens = _TOKEN.findall(pattern)
    options, rest = _options(tokens, 0)
    if rest != len(tokens):
        raise ValueError(f"unbalanced braces in {pattern!r}")
    return ("pick", options) if len(options) > 1 else options[0]


def _options(tokens, at):
    options, current = [], []
    while at < len(tokens) and tokens[at] != "}":
        token = tokens[at]
        if token == "{":
            inner, at = _options(tokens, at + 1)
            if at >= len(tokens):
                raise ValueError("a brace is not closed: " + "".join(tokens))
            current.append(("pick", inner))
        elif token == "|":
            options.append(("row", tuple(current)))
            current = []
        elif len(token) > 2 and token[0] == "<" and token[-1] == ">":
            current.append(("rule", token[1:-1]))
        else:
            current.append(token)
        at += 1
    options.append(("row", tuple(current)))
    return tuple(options), at


def expand(pattern, rng, rules=None, words=None):
    """Expand `pattern`. `words` are bound for this text, `rules` map a name to its options."""
    return _expand(parse(pattern), rng, rules or {}, words or {})


def _expand(node, rng, rules, words):
    if isinstance(node, str):
        return node
    kind, body = node
    if kind == "row":
        return "".join([_expand(part, rng, rules, words) for part in body])
    if kind == "pick":
        return _expand(rng.choice(body), rng, rules, words)
    if body in words:
        return words[body]
    if body not in rules:
        raise KeyError(f"no rule <{body}>")
    return _expand(parse(rng.choice(rules[body])), rng, rules, words)


def fix_articles(text):
    """`a owl` becomes `an owl`, `the a storm` and `the the storm` become `the storm`, `boxs` becomes `boxes`."""
    text = re.sub(r"\b(the|The|much) (?:a|the) (?=[a-z])", r"\1 ", text)
    text = re.sub(r"(?<=[a-z])(x|ss|sh|ch)s\b", r"\1es", text)
    text = re.sub(r"(?<=[bcdfghklmnprstvz])ys\b", "ies", text)
    return re.sub(r"\b([Aa]) (?=[aeiouAEIOU])(?!one\b|uni|use|eu)", r"\1n ", text)


def capital(text):
    """The text with its first letter in upper case."""
    for i, char in enumerate(text):
        if char.isalpha():
            return text[:i] + char.upper() + text[i + 1:]
    return text


def read_rules(path):
    """Read `[name]` sections; every other line that is not empty or a `#` comment is one option.

    In a section whose name ends in `*`, each line is a list of options separated by commas.
    """
    rules, name, is_list = {}, None, False
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            name = line[1:-1]
            is_list = name.endswith("*")
            name = name.rstrip("*")
            rules.setdefault(name, [])
        elif is_list:
            rules[name] += [word.strip() for word in line.split(",") if word.strip()]
        else:
            rules[name].append(line)
    return rules


def seeded(*parts):
    """A random source named by its parts, the same on every machine."""
    return random.Random("/".join(str(part) for part in parts))
