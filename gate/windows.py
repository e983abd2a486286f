"""A long rendering, split into windows that the backbone can read; nothing is left out.

Every window repeats the header, so that each is judged with the call before its eyes. A body line that is longer than a
window is cut into pieces that overlap, so that no phrase is lost at a cut.
"""

from __future__ import annotations

from collections.abc import Callable

from so8t.gate.backbones import BackboneFault, Rendered

FIELD = "¶"  # opens every field of a rendering; render.py takes it out of all other text
MAX_WINDOWS = 16
MAX_CHARACTERS = 200_000  # not even tokenised beyond this

Count = Callable[[str], int]


class TooLong(BackboneFault):
    """The text needs more than MAX_WINDOWS windows. The gate makes this ESCALATE, source readability."""


def split(rendered: Rendered, count: Count, limit: int) -> list[str]:
    """Windows of at most `limit` tokens as `count` counts them, each one header + body.

    Args:
        rendered: the header and the body lines.
        count: number of tokens of a text (called few times: it tokenises).
        limit: tokens that one window may hold.

    Raises:
        TooLong: more than MAX_WINDOWS windows, or a limit that not even one character fits.
    """
    size = len(rendered.header) + sum(map(len, rendered.body))
    if size > MAX_CHARACTERS:
        raise TooLong(f"{size} characters are too many to read")
    whole = _join(rendered.header, rendered.body)
    if count(whole) <= limit:
        return [whole]
    header, body = _short_header(rendered, count, limit)
    return _fill(header, body, count, limit)


def _fill(header: str, lines: list[str], count: Count, limit: int) -> list[str]:
    windows: list[str] = []
    while lines:
        if len(windows) == MAX_WINDOWS:
            raise TooLong(f"more than {MAX_WINDOWS} windows of {limit} tokens are too many to read")
        taken = _fitting(header, lines, count, limit)
        if taken == 0:
            piece, rest = _cut(header, lines[0], count, limit)
            lines, taken = [piece, rest, *lines[1:]], 1
        windows.append(_join(header, lines[:taken]))
        lines = lines[taken:]
    return windows


def _fitting(header: str, lines: list[str], count: Count, limit: int) -> int:
    """How many of the lines fit into one window."""
    return _largest(lambda n: count(_join(header, lines[:n])) <= limit, len(lines), 4)


def _short_header(rendered: Rendered, count: Count, limit: int) -> tuple[str, list[str]]:
    """A header that takes most of a window is read as body, under its own beginning."""
    if count(rendered.header) <= limit * 2 // 3:
        return rendered.header, list(rendered.body)
    text = rendered.header
    kept = _largest(lambda n: count(text[:n]) <= limit // 3, len(text), limit)
    return text[:kept], [*text.split("\n"), *rendered.body]


def _cut(header: str, line: str, count: Count, limit: int) -> tuple[str, str]:
    """The longest beginning of `line` that fits, and the rest, which repeats the label and the last eighth."""
    label = _label(line)
    ends = [n for n in range(1, len(line)) if line[n].isspace() and n > len(label)] or [len(line)]

    def fits(text: str) -> bool:
        return count(_join(header, [text])) <= limit

    words = _largest(lambda n: fits(line[: ends[n - 1]]), len(ends), limit // 2)
    end = ends[words - 1] if words else 0
    if words == 0:  # one word fills the window: cut inside it
        end = len(label) + _largest(lambda n: fits(line[: len(label) + n]), len(line) - len(label), limit)
    if end <= len(label):
        raise TooLong(f"a window of {limit} tokens has no room beside the header")
    back = (end - len(label)) // 8
    return line[:end], label + line[end - back :]


def _label(line: str) -> str:
    """The field name that a line begins with, or ''."""
    head, colon, _ = line.partition(": ")
    return head + colon if colon and line.startswith(FIELD) and len(head) < 80 else ""


def _largest(fits: Callable[[int], bool], top: int, guess: int) -> int:
    """The largest n in 0..top with fits(n), where fits holds up to some n: gallop from `guess`, then bisect."""
    low, high, step = 0, top + 1, max(1, min(guess, top))
    probe = step
    while high - low > 1:
        if fits(probe):
            low, step = probe, step * 2
        else:
            high, step = probe, max(1, step // 2)
        far = low + step
        probe = far if high > top and far <= top else (low + high) // 2
    return low


def _join(header: str, lines: list[str] | tuple[str, ...]) -> str:
    return "\n".join([header, *lines])
