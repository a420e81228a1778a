"""Conversions between common units with whole factors."""

from grammar import expand

# (small unit, large unit, factor, largest count asked for)
UNITS = [
    (("metre", "metres", "m"), ("kilometre", "kilometres", "km"), 1000),
    (("centimetre", "centimetres", "cm"), ("metre", "metres", "m"), 100),
    (("millimetre", "millimetres", "mm"), ("centimetre", "centimetres", "cm"), 10),
    (("millimetre", "millimetres", "mm"), ("metre", "metres", "m"), 1000),
    (("gram", "grams", "g"), ("kilogram", "kilograms", "kg"), 1000),
    (("kilogram", "kilograms", "kg"), ("tonne", "tonnes", "t"), 1000),
    (("milligram", "milligrams", "mg"), ("gram", "grams", "g"), 1000),
    (("millilitre", "millilitres", "ml"), ("litre", "litres", "l"), 1000),
    (("minute", "minutes", "min"), ("hour", "hours", "h"), 60),
    (("second", "seconds", "s"), ("minute", "minutes", "min"), 60),
    (("hour", "hours", "h"), ("day", "days", "days"), 24),
    (("day", "days", "days"), ("week", "weeks", "weeks"), 7),
    (("month", "months", "months"), ("year", "years", "years"), 12),
    (("year", "years", "years"), ("decade", "decades", "decades"), 10),
    (("year", "years", "years"), ("century", "centuries", "centuries"), 100),
    (("inch", "inches", "in"), ("foot", "feet", "ft"), 12),
    (("foot", "feet", "ft"), ("yard", "yards", "yd"), 3),
    (("piece", "pieces", "pieces"), ("dozen", "dozens", "dozen"), 12),
    (("cent", "cents", "cents"), ("dollar", "dollars", "dollars"), 100),
    (("byte", "bytes", "B"), ("kilobyte", "kilobytes", "kB"), 1000),
    (("megabyte", "megabytes", "MB"), ("gigabyte", "gigabytes", "GB"), 1000),
    (("bit", "bits", "bits"), ("byte", "bytes", "bytes"), 8),
    (("millisecond", "milliseconds", "ms"), ("second", "seconds", "s"), 1000),
]
ASK = [
    "{How many|how many} <to> are {there in|in} <n> <from>{?|}",
    "{How many|how many} <to> {make|are|is} <n> <from>{?|}",
    "{How many|how many} <to> {does|do} <n> <from> have{?|}",
    "{Convert|convert|Change|Turn|Please convert} <n> <from> {to|into} <to>{.|}",
    "{What is|what is|What's|what's} <n> <from> in <to>{?|}",
    "<n> <from> {in|to|into} <to>{?|}",
    "{Tell me|Can you tell me|I want to know|tell me} how many <to> are in <n> <from>{.|}",
]


def count(rng, factor):
    """Small counts more often; round ones too."""
    if rng.random() < 0.35:
        return 1
    top = 12 if factor in (7, 8, 12, 24, 60) else 20
    return rng.randrange(2, top + 1)


def name(unit, n):
    return unit[0] if n == 1 else unit[1]


def sample(rng):
    """One question and its answer."""
    small, large, factor = rng.choice(UNITS)
    n = count(rng, factor)
    short = rng.random() < 0.2
    if rng.random() < 0.3:
        ask_n, source, goal, result = n * factor, small, large, n
    else:
        ask_n, source, goal, result = n, large, small, n * factor
    words = {
        "n": str(ask_n),
        "from": source[2] if short else name(source, ask_n),
        "to": goal[2] if short else goal[1],
    }
    question = expand(rng.choice(ASK), rng, words=words)
    rule = f"1 {large[0]} is {factor} {small[1]}"
    answer = f"{ask_n} {name(source, ask_n)} {'is' if ask_n == 1 else 'are'} {result} {name(goal, result)}"
    return question, f"{answer}." if n == 1 else f"{rule}, so {answer}."
