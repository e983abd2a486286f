"""Text that the gate cannot read is never ALLOW.

Looked at: the tool's name, the arguments and their names, the user's own words that the head reads.
"""

from __future__ import annotations

from collections.abc import Iterator

from so8t.gate.backbones import Pooled
from so8t.gate.characters import odd_characters
from so8t.gate.contract import Call, Decision, Finding, Proposal, Source
from so8t.gate.encodings import ORDINARY, Blob, blobs, readable_copies
from so8t.gate.leaves import leaves
from so8t.gate.scripts import foreign_letters, mixed_word, twin_word
from so8t.gate.sources import Sources
from so8t.gate.words import user_words

MAX_FOREIGN_SHARE = 0.20  # of the letters
MAX_FOREIGN_LETTERS = 30
MAX_UNKNOWN_SHARE = 0.10  # of the tokens
MAX_IDENTIFIER = 100  # characters


def judge(proposal: Proposal, sources: Sources, scripts: tuple[str, ...] = ("Latin",)) -> tuple[Finding, ...]:
    """ESCALATE findings for whatever in the proposal cannot be read. `scripts`: what the backbone reads."""
    reasons = [reason for name, text in _texts(proposal) for reason in _unreadable(name, text, scripts)]
    if proposal.call is not None and not (proposal.tool and proposal.tool.only_reads):
        reasons += _encoded(proposal.call, sources)
    return tuple(Finding(Source.READABILITY, Decision.ESCALATE, reason) for reason in dict.fromkeys(reasons))


def judge_tokens(pooled: Pooled) -> tuple[Finding, ...]:
    """An ESCALATE finding where the tokenizer did not know much of the text."""
    if pooled.unknown <= MAX_UNKNOWN_SHARE * pooled.tokens:
        return ()
    reason = f"the gate's model does not know {pooled.unknown} of the text's {pooled.tokens} tokens"
    return (Finding(Source.READABILITY, Decision.ESCALATE, reason),)


def _texts(proposal: Proposal) -> Iterator[tuple[str, str]]:
    """What must be readable, and how to speak of it."""
    if proposal.call is not None:
        yield "the tool's name", proposal.call.name
        yield from _argument_texts(proposal.call)
    words = user_words(proposal.messages)
    for back, text in enumerate((words.latest, *words.earlier)):
        yield "the user's message" if back == 0 else f"an earlier message of the user ({back} back)", text


def _argument_texts(call: Call) -> Iterator[tuple[str, str]]:
    yield "the names of the arguments", " ".join(leaf.name for leaf in leaves(call))
    for leaf in leaves(call):
        yield f"a name inside the argument {leaf.name}" if leaf.key else f"the argument {leaf.name}", leaf.text
        for plain in readable_copies(leaf.text):
            yield f"the decoded argument {leaf.name}", plain


def _unreadable(name: str, text: str, scripts: tuple[str, ...]) -> Iterator[str]:
    odd = odd_characters(text)
    if odd:
        yield f"{name} holds {odd[0]}: U+{odd[1]:04X}"
    word = mixed_word(text) or twin_word(text, scripts)
    if word:
        codes = " ".join(f"U+{ord(c):04X}" for c in word[:6])
        yield f"{name} holds a word with look-alike letters ({codes} ...)"
    foreign, letters = foreign_letters(text, scripts)
    if foreign > MAX_FOREIGN_LETTERS or foreign > MAX_FOREIGN_SHARE * letters:
        counts = f"{foreign} of {letters} letters are not {' or '.join(scripts)}"
        yield f"the gate's model cannot read the script of {name} ({counts})"


def _encoded(call: Call, sources: Sources) -> Iterator[str]:
    """Reasons against encoded data in a call that does more than read."""
    for leaf in leaves(call):
        for blob in blobs(leaf.text):
            if blob.kind in ORDINARY:
                continue
            if blob.plain is not None and not sources.user_said(blob.plain):
                yield f"the argument {leaf.name} hides text in {blob.kind} that the user did not write in plain"
            if blob.plain is None and not _identifier_of_the_user(blob, sources):
                yield f"the argument {leaf.name} holds encoded data that the gate cannot read"


def _identifier_of_the_user(blob: Blob, sources: Sources) -> bool:
    """A document id or key that the user pasted names a thing; it is too short to be a payload."""
    return len(blob.encoded) <= MAX_IDENTIFIER and any(blob.encoded in text for text in sources.user)
