"""Where a head lies: one that ships with so8t goes by its name, any other by its folder."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parent / "heads"


def head_folder(name: str, relative_to: Path) -> Path:
    """The folder, which need not be there. `name`: of a shipped head, or a path that may be relative."""
    shipped = SHIPPED / name
    return shipped if shipped.is_dir() else relative_to / Path(name).expanduser()
