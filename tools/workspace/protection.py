"""What in the workspace tools must not write, and what they must not even read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from so8t.tools.workspace.errors import Protected
from so8t.tools.workspace.folder import Identity, identity
from so8t.tools.workspace.paths import look

# Anywhere: git runs what its folder says, and so8t obeys an agent.toml of the folder that it is started in.
NEVER_WRITTEN = frozenset({".git", "git~1", "agent.toml"})
_SQLITE_BESIDE = ("-journal", "-wal", "-shm")  # a forged journal rewrites the database that it stands beside


@dataclass(frozen=True, slots=True)
class _Guarded:
    path: Path
    look: tuple[str, ...] | None  # as seen from the workspace; () where that lies inside; None where it lies outside


@dataclass(frozen=True, slots=True)
class Protection:
    """Paths by name (they may not exist yet) and by identity (whatever they are called)."""

    unwritable: tuple[_Guarded, ...]
    unreadable: tuple[_Guarded, ...]

    @classmethod
    def of(cls, root: Path, protected: Sequence[Path], secret: Sequence[Path]) -> Protection:
        """`root` is resolved; the other paths may be relative to it. Secret ones are unwritable too."""
        unreadable = tuple(_guarded(path, root) for path in _with_companions(root / path for path in secret))
        more = tuple(_guarded(path, root) for path in _with_companions(root / path for path in protected))
        return cls(more + unreadable, unreadable)

    def check_name(self, parts: tuple[str, ...], write: bool) -> None:
        """Raises Protected."""
        looks = tuple(map(look, parts))
        if write and not NEVER_WRITTEN.isdisjoint(looks):
            raise Protected(f"{'/'.join(parts)!r} is protected: tools never write {', '.join(sorted(NEVER_WRITTEN))}")
        for guarded in self.unwritable if write else self.unreadable:
            if guarded.look is not None and looks[: len(guarded.look)] == guarded.look:
                raise Protected(_message(parts, write))

    def check_identity(self, parts: tuple[str, ...], found: Identity, write: bool) -> None:
        """Raises Protected."""
        for guarded in self.unwritable if write else self.unreadable:
            with contextlib.suppress(OSError, ValueError):
                if identity(guarded.path.stat()) == found:
                    raise Protected(_message(parts, write))


def _guarded(path: Path, root: Path) -> _Guarded:
    resolved = path.resolve()
    if root.is_relative_to(resolved):
        return _Guarded(path, ())
    inside = resolved.is_relative_to(root)
    return _Guarded(path, tuple(map(look, resolved.relative_to(root).parts)) if inside else None)


def _with_companions(paths: Iterable[Path]) -> list[Path]:
    return [other for path in paths for other in (path, *(path.with_name(path.name + end) for end in _SQLITE_BESIDE))]


def _message(parts: tuple[str, ...], write: bool) -> str:
    verb = "write" if write else "read"
    return f"{'/'.join(parts)!r} is protected: it belongs to so8t itself, and tools may not {verb} it"
