"""Services that misbehave, for the worker's tests: who sleeps here hangs on purpose. The child process imports this."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from so8t.gate.worker import pack, unpack


class Bench:
    """Echoes, and every kind of trouble."""

    def __init__(self, folder: str = ".") -> None:
        self._folder = Path(folder)
        self._stopped = False

    def echo(self, payload: Any) -> Any:
        return payload

    def pid(self, _: Any) -> int:
        return os.getpid()

    def abort(self, _: Any) -> None:
        os.write(2, b"GGML_ASSERT: this file is \x1b[31mbroken\n")
        os.abort()

    def crash_once(self, _: Any) -> str:
        mark = self._folder / "crashed"
        if not mark.exists():
            mark.touch()
            os.abort()
        return "recovered"

    def hang(self, _: Any) -> None:
        time.sleep(3600)  # hangs: longer than any deadline

    def leave_grandchild(self, _: Any) -> None:
        grandchild = os.fork()
        if grandchild == 0:
            time.sleep(3600)  # hangs: longer than any deadline
        (self._folder / "grandchild").write_text(str(grandchild), encoding="ascii")
        os.abort()

    def exhaust(self, _: Any) -> None:
        raise MemoryError

    def leave(self, code: int) -> None:
        sys.exit(code)

    def fail(self, text: str) -> None:
        raise LookupError(text)

    def noise(self, payload: Any) -> Any:
        sys.stdout.write("a library prints to stdout\n")
        sys.stdout.flush()
        os.write(1, b"\x00\x00\x00\x02{}")
        return payload

    def speak_nonsense(self, data: str) -> None:
        for fd in range(3, 64):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, data.encode("latin-1"))
            except OSError:
                pass
        time.sleep(3600)  # hangs: longer than any deadline

    def environment(self, _: Any) -> dict[str, str]:
        return dict(os.environ)

    def signals(self, _: Any) -> list[bool]:
        return [signal.getsignal(signal.SIGINT) is signal.SIG_IGN, os.getsid(0) == os.getpid()]

    def array(self, payload: Any) -> Any:
        return pack(unpack(payload) * np.float32(2))

    def nan(self, _: Any) -> Any:
        return pack(np.array([float("nan"), float("inf")], dtype=np.float32))

    def long_line(self, size: int) -> None:
        os.write(2, b"x" * size)
        os.abort()

    def count(self, upto: int) -> Iterator[int]:
        try:
            yield from range(upto)
        finally:
            self._stopped = True

    def cancelled(self, _: Any) -> bool:
        return self._stopped

    def stubborn(self, _: Any) -> Iterator[int]:
        try:
            yield 1
        finally:
            time.sleep(3600)  # hangs: longer than any deadline

    def hidden(self, _: Any) -> str:
        return "not in METHODS"

    METHODS = frozenset(name for name in vars() if not name.startswith("_") and name != "hidden")


def refuses(**_: Any) -> Bench:
    raise ValueError("no such model file: 模型.gguf")


def aborts(**_: Any) -> Bench:
    os.write(2, b"bad magic\n")
    os.abort()


def never_ready(**_: Any) -> Bench:
    time.sleep(3600)  # hangs: longer than any deadline
    raise AssertionError
