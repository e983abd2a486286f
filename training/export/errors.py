"""What can go wrong with an export, one class for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ExportError(ValueError):
    """The root: the model cannot be written as a GGUF file. The message says which part of it."""


class UnreadableFolder(ExportError):
    """The folder is no model in the layout of Hugging Face, or a file of it is broken."""


class UnknownArchitecture(ExportError):
    """Nobody here knows how to write this architecture; the message lists the known ones."""


class UnsupportedModel(ExportError):
    """The architecture is known, but this model uses an option that llama.cpp does not have for it."""


class WrongWeights(ExportError):
    """A tensor is missing, unknown, of the wrong shape, not finite, or too large for the kind."""


class VocabularyGap(ExportError):
    """Token ids, embedding rows or byte tokens do not cover each other."""


class UnsupportedTokenizer(ExportError):
    """llama.cpp would split text differently from this tokenizer."""


class UnknownKind(ExportError):
    """No such kind of file; the message lists the kinds."""


class AdapterUnfit(ExportError):
    """The adapter cannot be read, or was trained on another base model."""


class LlamaCppFailed(ExportError):
    """llama.cpp refused the file, or its process died on it."""


@contextmanager
def told_as(kind: type[ExportError], about: object) -> Iterator[None]:
    """Whatever another library raises on a bad file becomes one line of ours."""
    try:
        yield
    except (ExportError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - transformers, peft and tokenizers raise whatever their checks find
        raise kind(f"{about}: {' '.join(f'{type(error).__name__}: {error}'.split())[:500]}") from None
