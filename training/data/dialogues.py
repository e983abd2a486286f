"""Dialogues that a language model learns from: the ids of the whole, and which of them are the assistant's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase


class DialogueError(Exception):
    """The root of this module's errors."""


class TemplateUnusable(DialogueError):
    """The chat template does not show which words are the assistant's."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One conversation as token ids."""

    ids: Sequence[int]  # (T,)
    learnt: Sequence[bool]  # (T,) whether the language model learns to write this token

    @classmethod
    def of(cls, pieces: Iterable[tuple[str, bool]], tokenizer: PreTrainedTokenizerBase) -> Dialogue:
        """From pieces of text, each with whether it is learnt, tokenised one by one: a reply is generated that way too.

        Special tokens that stand in the text are read as such, none is added.
        """
        ids: list[int] = []
        learnt: list[bool] = []
        for text, own in pieces:
            piece: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            ids += piece
            learnt += [own] * len(piece)
        return cls(ids, learnt)


def pieces(messages: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase) -> list[tuple[str, bool]]:
    """A conversation (OpenAI form) as its model's chat template writes it; the assistant's words are learnt.

    The template is asked for the text before and after each of them.

    Raises:
        TemplateUnusable: there is no template, or a later message changes how an earlier one is written.
    """
    found: list[tuple[str, bool]] = []
    done = ""
    for n, message in enumerate(messages):
        if message["role"] == "assistant":
            before = _written(messages[:n], tokenizer, prompt=True)
            after = _written(messages[: n + 1], tokenizer, prompt=False)
            found += [(_rest(done, before), False), (_rest(before, after), True)]
            done = after
    return [(text, own) for text, own in found if text]


def _written(messages: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, *, prompt: bool) -> str:
    try:
        text = tokenizer.apply_chat_template([dict(m) for m in messages], tokenize=False, add_generation_prompt=prompt)
    except ValueError as error:
        raise TemplateUnusable(
            f"the tokenizer cannot write a conversation ({error}): take a base with a chat template"
        ) from None
    return str(text)


def _rest(before: str, after: str) -> str:
    if not after.startswith(before):
        raise TemplateUnusable(
            "the chat template writes earlier messages anew after an answer: train this base without dialogues"
        )
    return after[len(before) :]
