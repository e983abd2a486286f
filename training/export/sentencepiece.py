"""BPE with byte fallback as SentencePiece makes it (Llama 2, Mistral): no pre-tokenizer, spaces are U+2581.

llama.cpp merges any two neighbours whose text is a piece, best score first; tokenizer.json lists the pairs that may
merge, in order. Both do the same exactly where the list has every pair that gives a piece, piece by piece: then the
piece's place in that order is its score. This is checked, not assumed.
"""

from __future__ import annotations

from typing import Any

from so8t.training.export.errors import UnsupportedTokenizer, VocabularyGap
from so8t.training.export.vocabulary import Split

Json = dict[str, Any]
SPACE = "\u2581"
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
FIRST = (
    "transformers puts a space before a text, llama.cpp before each piece of text between special tokens:"
    " a word right after a special token gets other tokens"
)
LEADING = "a text that begins with a space gets one more space in llama.cpp"


def split(state: Json, pieces: tuple[str, ...]) -> Split:
    """How llama.cpp cuts as this tokenizer does.

    Args:
        state: what tokenizer.json says.
        pieces: the text of each token.

    Raises UnsupportedTokenizer; VocabularyGap for a byte without a token.
    """
    if missing := [byte for byte in BYTES if byte not in set(pieces)]:
        raise VocabularyGap(f"{len(missing)} bytes have no token, the first is {missing[0]}: byte fallback needs all")
    prefix, notes = spaces(state)
    merges = [tuple(pair.split(" ") if isinstance(pair, str) else pair) for pair in state["model"]["merges"]]
    order = _order([(left, right) for left, right in merges])
    added = {token["content"] for token in state["added_tokens"]}
    _check_complete(merges, [piece for piece in pieces if piece not in added and piece not in BYTES])
    lowest = -float(len(order)) - 1
    scores = tuple(-float(order[piece]) if piece in order else lowest for piece in pieces)
    return Split("llama", "default", scores=scores, add_space_prefix=prefix, notes=notes)


def spaces(state: Json) -> tuple[bool, tuple[str, ...]]:
    """Whether a space is put before a text, and where llama.cpp does it differently. Raises UnsupportedTokenizer."""
    normalizer, pre = state["normalizer"], state["pre_tokenizer"]
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prepend = {"type": "Prepend", "prepend": SPACE}
    if pre is None and normalizer == {"type": "Sequence", "normalizers": [prepend, replace]}:
        return True, ()
    if pre is None and normalizer in (replace, {"type": "Sequence", "normalizers": [replace]}):
        return False, ()
    if normalizer is None and pre and pre["type"] == "Metaspace" and pre["replacement"] == SPACE and not pre["split"]:
        scheme = pre["prepend_scheme"]
        return scheme != "never", {"never": (), "always": (LEADING,), "first": (FIRST, LEADING)}[scheme]
    raise UnsupportedTokenizer(f"BPE with byte fallback, normalizer {normalizer} and pre-tokenizer {pre}")


def _order(merges: list[tuple[str, str]]) -> dict[str, int]:
    """Piece -> its place among the merged pieces."""
    order: dict[str, int] = {}
    last = ""
    for left, right in merges:
        piece = left + right
        if piece in order and piece != last:
            raise UnsupportedTokenizer(
                f"the merges that give {piece!r} are not side by side, as SentencePiece has them"
            )
        order.setdefault(piece, len(order))
        last = piece
    return order


def _check_complete(merges: list[Any], pieces: list[str]) -> None:
    allowed, known = {(left, right) for left, right in merges}, set(pieces)
    for piece in pieces:
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            reachable = all(len(part) == 1 or part in known for part in (left, right))
            if reachable and (left, right) not in allowed:
                raise UnsupportedTokenizer(
                    f"llama.cpp would merge {left!r} and {right!r}, the tokenizer does not: it is no SentencePiece BPE"
                )
