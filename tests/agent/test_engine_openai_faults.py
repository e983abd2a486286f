"""Endpoints that answer strangely: a small server by hand says whatever a test wants."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from so8t.agent.engines import (
    CUT,
    UNREADABLE,
    EngineError,
    EngineFault,
    EngineUnavailable,
    ProposedCall,
    Reply,
    TextDelta,
)
from so8t.agent.engines.openai import OpenAI, Options
from so8t.agent.engines.openai_answer import Answer, Chunk
from so8t.gate.contract import Message

KEY = "sk-0123456789-secret"


class Endpoint:
    """Answers every request with the same bytes; remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.kind, self.body, self.then_wait = 200, "text/event-stream", b"", False
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.done = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                asked = json.loads(self.rfile.read(length) or b"null")
                endpoint.asked.append((self.path, dict(self.headers), asked))
                self.send_response(endpoint.status)
                self.send_header("Content-Type", endpoint.kind)
                self.end_headers()
                self.wfile.write(endpoint.body)
                self.wfile.flush()
                if endpoint.then_wait:
                    endpoint.done.wait(30)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def says(self, *events: Any) -> None:
        """Server-sent events, JSON unless they are text."""
        lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
        self.body = "".join(f"data: {line}\n\n" for line in lines).encode()

    def close(self) -> None:
        self.done.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    yield server
    server.close()


def ask(endpoint: Endpoint, model: str = "m", **options: Any) -> tuple[str, Reply]:
    """What is shown, and the reply."""

    async def run() -> list[TextDelta | Reply]:
        engine = OpenAI(endpoint.address, model, KEY, Options(**options))
        try:
            return [item async for item in engine.stream([Message("user", "hi \ud800")], [])]
        finally:
            await engine.close()

    *pieces, reply = asyncio.run(run())
    assert isinstance(reply, Reply)
    return "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)), reply


def start(endpoint: Endpoint) -> None:
    async def run() -> None:
        engine = OpenAI(endpoint.address, "m", KEY)
        try:
            await engine.start()
        finally:
            await engine.close()

    asyncio.run(run())


def delta(finish: str | None = None, **content: Any) -> dict[str, Any]:
    return {"choices": [{"delta": content, "finish_reason": finish}]}


def call(
    index: int | None = None, id: str | None = None, name: str | None = None, arguments: Any = None
) -> dict[str, Any]:
    return {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}


def test_what_is_asked_is_a_streamed_chat_completion_with_the_key(endpoint: Endpoint) -> None:
    endpoint.says(delta("stop", content="hello"), "[DONE]")
    assert ask(endpoint, temperature=0.5, max_tokens=7) == ("hello", Reply("hello"))
    path, headers, asked = endpoint.asked[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert asked == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi ?"}],
        "stream": True,
        "temperature": 0.5,
        "max_tokens": 7,
    }


def test_no_model_is_named_where_none_is_set(endpoint: Endpoint) -> None:
    endpoint.says(delta("stop", content="hello"))
    ask(endpoint, model="")
    assert "model" not in endpoint.asked[0][2]


CALLS = (ProposedCall("f", '{"a": 1}'), ProposedCall("g", "{}"))


@pytest.mark.parametrize(
    "pieces",
    [
        [
            [call(0, "x", "f", "")],
            [call(0, None, None, '{"a"')],
            [call(0, None, None, ": 1}")],
            [call(1, "y", "g", "{}")],
        ],
        [[call(0, "x", "f", '{"a": 1}'), call(1, "y", "g")]],
        [[call(0, "x", "f", '{"a": 1}')], [call(0, "y", "g", "{}")]],
        [[call(None, "x", "f", '{"a": 1}')], [call(None, "y", "g", "")]],
        [[call(None, None, "f", '{"a"')], [call(None, None, None, ": 1}")], [call(None, None, "g", "{}")]],
        [[call(0, "x", "f", {"a": 1}), call(1, "y", "g", {})]],
        [[call(0, "x", "f", '{"a"')], [call(1, "y", "g", "{}")], [call(0, None, None, ": 1}")]],
        [[call(0, "x", "f", '{"a"')], [call(0, "x", None, ": 1}")], [call(1, "y", "g", "{}")]],
    ],
    ids=["openai", "at once", "same index", "no index", "no id", "objects", "interleaved", "repeated id"],
)
def test_calls_are_put_together_from_their_pieces_however_an_endpoint_marks_them(
    endpoint: Endpoint, pieces: list[Any]
) -> None:
    endpoint.says(*(delta(tool_calls=piece) for piece in pieces), delta("tool_calls"), "[DONE]")
    assert ask(endpoint)[1].calls == CALLS


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'
        '<tool_call>{"name": "g", "arguments": {}}</tool_call>',
        '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>\n'
        '<tool_call>\n{"name":"g","arguments":{}}\n</tool_call>',
    ],
)
def test_calls_in_the_text_are_read_and_not_shown(endpoint: Endpoint, text: str) -> None:
    endpoint.says(*(delta(content=character) for character in "So: " + text), delta("stop"))
    assert ask(endpoint) == ("So:", Reply("So:", CALLS))


def test_an_answer_that_was_cut_says_so_and_proposes_nothing(endpoint: Endpoint) -> None:
    endpoint.says(
        delta(tool_calls=[call(0, "x", "f", "{}")]), delta(tool_calls=[call(1, "y", "g", '{"a')]), delta("length")
    )
    assert ask(endpoint)[1] == Reply("", (), "length", CUT)


def test_a_call_in_the_text_that_cannot_be_read_is_left_out_and_the_user_hears_of_it(endpoint: Endpoint) -> None:
    endpoint.says(delta("stop", content='So: <tool_call>{"name": "f", "arguments": {oops'))
    assert ask(endpoint) == ("So:", Reply("So:", (), "stop", UNREADABLE))


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "broke off in the middle"),
        ([delta(content="half an ans")], "broke off in the middle"),
        ([delta(content="half"), "[DONE]"], "broke off in the middle"),
        (["{", delta("stop")], "no chat completion"),
        (["[]"], "no chat completion"),
        (["null"], "no chat completion"),
        ([{"choices": "x"}], "no chat completion"),
        ([{"choices": [{"delta": {"content": 5}}]}], "no chat completion"),
        ([{"choices": [{"delta": {"tool_calls": [{"index": "x"}]}}]}], "no chat completion"),
        ([delta(content="so"), {"error": {"message": f"out of memory for {KEY}"}}], "out of memory for .key"),
        ([{"error": "overloaded"}], "reports: overloaded"),
    ],
)
def test_a_stream_that_is_broken_is_a_fault_that_says_how(endpoint: Endpoint, events: list[Any], message: str) -> None:
    endpoint.says(*events)
    with pytest.raises(EngineFault, match=message) as error:
        ask(endpoint)
    assert KEY not in str(error.value)


def test_events_without_choices_are_fine(endpoint: Endpoint) -> None:
    endpoint.says(
        {"choices": []}, {"usage": {"total_tokens": 5}}, delta("stop", content="x"), {"choices": None}, "[DONE]"
    )
    assert ask(endpoint) == ("x", Reply("x"))


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_an_error_status_is_a_fault_with_the_servers_words_but_not_the_key(endpoint: Endpoint, status: int) -> None:
    endpoint.status, endpoint.body = status, f"no \x1b[2J such\nmodel, {KEY} {'x' * 10_000}".encode()
    with pytest.raises(EngineFault, match=rf"answered {status}: no .* model, \[key\]") as error:
        ask(endpoint)
    assert KEY not in str(error.value)
    assert len(str(error.value)) < 700
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_reported_at_start_and_when_asked(endpoint: Endpoint, status: int) -> None:
    endpoint.status, endpoint.body = status, f"Incorrect API key provided: {KEY}".encode()
    for attempt in (start, ask):
        with pytest.raises(EngineUnavailable, match="refused the API key") as error:
            attempt(endpoint)
        assert KEY not in str(error.value)


def test_an_answer_that_is_no_stream_is_a_fault(endpoint: Endpoint) -> None:
    endpoint.kind, endpoint.body = "application/json", b'{"choices": []}'
    with pytest.raises(EngineFault, match="event-stream"):
        ask(endpoint)


def test_a_redirect_is_not_followed_with_the_key(endpoint: Endpoint) -> None:
    endpoint.status = 307
    with pytest.raises(EngineFault, match="answered 307"):
        ask(endpoint)
    assert len(endpoint.asked) == 1


def test_a_silent_server_is_a_fault_after_token_timeout_and_what_came_before_was_shown(endpoint: Endpoint) -> None:
    endpoint.says(delta(content="so far "), delta(content="so good"))
    endpoint.then_wait = True
    shown: list[str] = []

    async def run() -> None:
        engine = OpenAI(endpoint.address, "m", KEY, Options(token_timeout=0.3))
        async for item in engine.stream([Message("user", "hi")], []):
            assert isinstance(item, TextDelta)
            shown.append(item.text)

    with pytest.raises(EngineFault, match=r"silent for 0\.3 s"):
        asyncio.run(run())
    assert "".join(shown) == "so far so good"


def test_bytes_that_are_no_http_are_an_error() -> None:
    async def run() -> None:
        async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"\x00\x01 what?\r\n\r\n" * 10)
            writer.close()

        server = await asyncio.start_server(garbage, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        engine = OpenAI(f"http://127.0.0.1:{port}/v1", "m", KEY)
        with pytest.raises(EngineUnavailable, match=f"127.0.0.1:{port}"):
            await engine.start()
        with pytest.raises(EngineError, match=f"127.0.0.1:{port}"):
            [item async for item in engine.stream([Message("user", "hi")], [])]
        await engine.close()
        server.close()

    asyncio.run(run())


def test_a_proxy_in_the_environment_never_sees_what_is_meant_for_this_machine(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    endpoint.says(delta("stop", content="x"))
    assert ask(endpoint)[0] == "x"


pieces = st.fixed_dictionaries(
    {},
    optional={
        "content": st.none() | st.text(alphabet='<tool_call>{}"name: ,f'),
        "tool_calls": st.none()
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "index": st.none() | st.integers(0, 2),
                    "id": st.none() | st.sampled_from(["", "x", "y"]),
                    "function": st.none()
                    | st.fixed_dictionaries(
                        {},
                        optional={
                            "name": st.none() | st.sampled_from(["", "f"]),
                            "arguments": st.none() | st.text() | st.dictionaries(st.text(), st.integers()),
                        },
                    ),
                },
            ),
            max_size=3,
        ),
    },
)


@given(st.lists(pieces, max_size=6), st.sampled_from([None, "stop", "length", "tool_calls"]))
@settings(max_examples=200)
def test_any_chunks_of_the_right_form_make_a_reply_whose_text_is_what_was_shown(
    deltas: list[Any], finish: str | None
) -> None:
    answer = Answer()
    chunks = [*({"choices": [{"delta": d}]} for d in deltas), {"choices": [{"finish_reason": finish}]}]
    shown = "".join(answer.add(Chunk.model_validate_json(json.dumps(chunk))) for chunk in chunks)
    shown += answer.rest()
    reply = answer.reply()
    assert reply.text == shown
    assert all(isinstance(call.arguments, str) for call in reply.calls)
    assert not (finish == "length" and reply.calls)


def test_the_system_message_and_tools_are_not_needed(endpoint: Endpoint) -> None:
    endpoint.says(delta("stop", content=""))
    assert ask(endpoint) == ("", Reply(""))
    messages: Sequence[Any] = endpoint.asked[0][2]["messages"]
    assert [message["role"] for message in messages] == ["user"]
    assert "tools" not in endpoint.asked[0][2]
