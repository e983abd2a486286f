"""How a request is written: plain, terse, with typos, corporate, chatty. The values in it stay as they are."""

from __future__ import annotations

import re
from collections.abc import Callable

from so8t.training.generated.attributes import Form
from so8t.training.generated.vocabulary import Dice, Slots, table, words

_WORD = re.compile(r"[a-z]{4,}")
_LITTLE = re.compile(r"\b(the|a|an|please) ")


def spelling(form: Form, dice: Dice) -> Callable[[str], str]:
    """What is done to the words around the values."""
    if form is Form.TYPOS:
        return lambda text: _typos(text, dice)
    if form is Form.TERSE:
        return lambda text: _LITTLE.sub("", text)
    return str


def compose(parts: list[str], form: Form, slots: Slots) -> str:
    """One message of the request and its clauses, which come first to last."""
    dice = slots.dice.below("form")
    request, *clauses = parts
    if form in (Form.CORPORATE, Form.CHATTY):
        said = table("phrases")[form]
        request = f"{slots.fill(dice.pick('before', said['before']))} {request}"
        clauses += [slots.fill(dice.pick("after", said["after"]))] if dice.chance("with after") < 0.5 else []
    elif form is not Form.TERSE:
        kind = "requests" if request.split()[0] in words("verb") else "openers"
        opener = dice.pick("opener", table("phrases")[kind]) + " " if dice.chance("with opener") < 0.35 else ""
        request = opener + request
        clauses += [dice.pick("closer", table("phrases")["closers"])] if dice.chance("with closer") < 0.2 else []
    text = _joined(request, clauses, form, dice)
    return text[0].upper() + text[1:] if form is Form.CORPORATE or dice.chance("capital") < 0.4 else text


def _joined(request: str, clauses: list[str], form: Form, dice: Dice) -> str:
    """Sentences, or one string of words with commas and dashes."""
    style = dice.pick("joints", [". ", ". ", ", ", ", ", " - ", "; ", "\n"])
    if form is Form.CORPORATE:
        style = ". "
    text = request
    for clause in clauses:
        whole = style in (". ", "\n")
        joint = " " if whole and text[-1] in ".?!" else style
        text += joint + (clause[0].upper() + clause[1:] if whole and form is not Form.TYPOS else clause)
    ends = dice.chance("stop") < 0.4 and text[-1] not in ".?!:)" and len(clauses) > 0
    return text + ("." if ends else "")


def _typos(text: str, dice: Dice) -> str:
    """About one slip in eight words."""
    return _WORD.sub(lambda found: _slip(found[0], found.start(), dice), text)


def _slip(word: str, at: int, dice: Dice) -> str:
    if dice.chance(f"{word}{at}") > 0.13:
        return word
    n = 1 + dice.number(f"where {word}{at}") % (len(word) - 2)
    slips = (word[:n] + word[n + 1] + word[n] + word[n + 2 :], word[:n] + word[n + 1 :], word[:n] + word[n] + word[n:])
    return dice.pick(f"how {word}{at}", slips)
