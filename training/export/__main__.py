"""`python -m so8t.training.export FOLDER --out FILE.gguf --kind q4_k_m`: a model of Hugging Face for llama.cpp."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from so8t.training.export import kinds
from so8t.training.export.compare import compare
from so8t.training.export.errors import ExportError
from so8t.training.export.folder import export_folder
from so8t.training.export.merge import merge_adapter

PATH = click.Path(path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=PATH)
@click.option("--out", type=PATH, required=True, help="The GGUF file to write.")
@click.option("--kind", default="q8_0", show_default=True, help=f"One of {', '.join(kinds.KINDS)}.")
@click.option("--name", help="What the model is called in the file; the folder's name by default.")
@click.option("--adapter", type=PATH, help="A LoRA adapter of peft to merge first; needs --merged.")
@click.option("--merged", type=PATH, help="The folder that the merged model is written to.")
@click.option("--check", multiple=True, metavar="TEXT", help="Read TEXT with both, and print the differences.")
def main(
    folder: Path,
    out: Path,
    kind: str,
    name: str | None,
    adapter: Path | None,
    merged: Path | None,
    check: tuple[str, ...],
) -> None:
    """Write the model in FOLDER, in the layout of Hugging Face, as one GGUF file."""
    if (adapter is None) != (merged is None):
        raise click.UsageError("--adapter and --merged go together")
    try:
        kinds.check(kind)
        if adapter is not None and merged is not None:
            merge_adapter(folder, adapter, merged)
            folder = merged
        made = export_folder(folder, out, kind, name)
        click.echo(f"{made.path}: {made.kind}, {made.bytes / 2**20:.1f} MiB")
        for note in made.notes:
            click.echo(f"note: {note}")
        if check:
            click.echo(str(compare(folder, out, check)))
    except (ExportError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
