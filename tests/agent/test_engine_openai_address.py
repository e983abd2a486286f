"""Which addresses and keys the openai engine takes, and that no secret in them is shown."""

from __future__ import annotations

import asyncio

import pytest

from so8t.agent.engines import EngineUnavailable
from so8t.agent.engines.openai import OpenAI

KEY = "sk-0123456789-secret"


@pytest.mark.parametrize(
    ("address", "key", "message"),
    [
        ("http://models.example/v1", KEY, "plain text to models.example"),
        ("http://192.168.0.7:8000/v1", KEY, "plain text"),
        ("http://localhost.example/v1", KEY, "plain text"),
        ("ftp://127.0.0.1/v1", None, "must be an http"),
        ("127.0.0.1:8000/v1", None, "must be an http"),
        ("", None, "must be an http"),
        ("http://", None, "must be an http"),
        ("http://[::1/v1", None, "must be an http"),
        ("http://127.0.0.1:99999999/v1", None, "must be an http"),
        ("https://models.example/v1", "sk-with\nnewline", "characters that no key has"),
        ("https://models.example/v1", "schlüssel", "characters that no key has"),
    ],
)
def test_an_address_or_a_key_that_cannot_be_used_is_refused_before_anything_is_sent(
    address: str, key: str | None, message: str
) -> None:
    with pytest.raises(EngineUnavailable, match=message) as error:
        OpenAI(address, "m", key)
    assert key is None or key not in str(error.value)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/v1", "http://localhost:1/v1", "http://[::1]:1/v1", "https://a.example"]
)
def test_a_key_may_go_to_this_machine_or_over_tls(address: str) -> None:
    asyncio.run(OpenAI(address, "m", f" {KEY}\n").close())


def test_no_key_may_go_anywhere_in_plain_text_because_there_is_none() -> None:
    asyncio.run(OpenAI("http://192.168.0.7:8000/v1", "m", "").close())


def test_a_password_in_the_address_is_not_shown() -> None:
    async def run() -> None:
        engine = OpenAI("http://user:hunter2@127.0.0.1:1/v1?token=hunter3", "m", None)
        with pytest.raises(EngineUnavailable) as error:
            await engine.start()
        await engine.close()
        assert "hunter" not in str(error.value)

    asyncio.run(run())
