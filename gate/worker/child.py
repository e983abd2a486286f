"""The child's side: take a message, run a method of the service, answer.

The service runs in the main thread. A second thread reads the pipe, so that a cancellation or the parent's death is
noticed while native code runs (ctypes releases the interpreter lock).
"""

from __future__ import annotations

import importlib
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, cast

from so8t.gate.worker import frames

OUT_OF_MEMORY = 77  # exit status: the service raised MemoryError


class Service(Protocol):
    """What a factory returns: the methods named in METHODS are callable, plain functions or generators."""

    METHODS: frozenset[str]


class NoSuchMethod(Exception):
    """The service does not offer this method."""


@dataclass(slots=True)
class Inbox:
    """Requests wait here; the ids of cancelled ones are noted."""

    requests: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue)
    cancelled: set[int] = field(default_factory=set)


def main() -> None:
    """Serve until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the program
    source, sink = _take_pipes()
    service = _start(source, sink)
    inbox = Inbox()
    threading.Thread(target=_listen, args=(source, inbox), daemon=True).start()
    while True:
        request = inbox.requests.get()
        try:
            _serve(service, request, sink, inbox.cancelled)
        except MemoryError:
            _die_of_memory()


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the real pipes away from descriptors 0 and 1, so that a library that prints cannot break a frame."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(source, "rb"), os.fdopen(sink, "wb")


def _start(source: BinaryIO, sink: BinaryIO) -> Service:
    hello = frames.read(source)
    if hello is None:
        sys.exit(0)
    try:
        module, _, factory = str(hello["target"]).partition(":")
        service = getattr(importlib.import_module(module), factory)(**hello["options"])
    except MemoryError:
        _die_of_memory()
    except Exception as error:  # noqa: BLE001 - whatever the factory raises is told to the parent
        traceback.print_exc()
        _send(sink, {"failed": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    _send(sink, {"ready": True})
    return cast(Service, service)


def _listen(source: BinaryIO, inbox: Inbox) -> None:
    while True:
        try:
            message = frames.read(source)
        except frames.BadFrame:
            message = None
        if message is None:  # the parent is gone, or speaks nonsense
            os._exit(0)
        if "cancel" in message:
            inbox.cancelled.add(message["cancel"])
        else:
            inbox.requests.put(message)


def _serve(service: Service, request: dict[str, Any], sink: BinaryIO, cancelled: set[int]) -> None:
    number = request["id"]
    try:
        result = _method(service, request["method"])(request["payload"])
        if request["stream"]:
            _send_all(iter(result), number, sink, cancelled)
            result = None
        answer = {"id": number, "result": result}
        frame = frames.encode(answer)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - the parent raises it again as RemoteError
        frame = frames.encode({"id": number, "error": type(error).__name__, "message": str(error)})
    cancelled.discard(number)
    _write(sink, frame)


def _send_all(items: Iterator[Any], number: int, sink: BinaryIO, cancelled: set[int]) -> None:
    """One frame for each item, until the parent wants no more."""
    while number not in cancelled:
        try:
            item = next(items)
        except StopIteration:
            return
        _send(sink, {"id": number, "item": item})
    close = getattr(items, "close", None)
    if close is not None:
        close()  # lets the generator's `finally` run


def _method(service: Service, name: str) -> Callable[[Any], Any]:
    if name not in service.METHODS:
        raise NoSuchMethod(f"{name!r}; the methods are {', '.join(sorted(service.METHODS))}")
    return cast(Callable[[Any], Any], getattr(service, name))


def _send(sink: BinaryIO, message: dict[str, Any]) -> None:
    _write(sink, frames.encode(message))


def _write(sink: BinaryIO, frame: bytes) -> None:
    try:
        sink.write(frame)
        sink.flush()
    except OSError:  # the parent is gone
        os._exit(0)


def _die_of_memory() -> None:
    """After a MemoryError nothing in this process can be trusted."""
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(OUT_OF_MEMORY)
