"""The language between a worker and its parent: frames of 4 bytes of length (big-endian), then that much JSON."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Json = Any  # what json.dumps takes

HEADER = struct.Struct(">I")
MAX_FRAME = 256 * 1024 * 1024  # bytes; a longer frame is noise on the pipe, not a message


class BadFrame(Exception):
    """The bytes on the pipe are no frame, or the value is no JSON."""


def encode(value: Json) -> bytes:
    """A frame, ready to write. Raises BadFrame."""
    try:
        body = json.dumps(value, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise BadFrame(f"not a JSON value: {error}") from None
    if len(body) > MAX_FRAME:
        raise BadFrame(f"a message of {len(body)} bytes is over the limit of {MAX_FRAME}")
    return HEADER.pack(len(body)) + body


def length(header: bytes) -> int:
    """The number of bytes that follow. Raises BadFrame."""
    size: int = HEADER.unpack(header)[0]
    if size > MAX_FRAME:
        raise BadFrame(f"a frame claims {size} bytes")
    return size


def decode(body: bytes) -> dict[str, Any]:
    """The message in a frame's body. Raises BadFrame."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFrame(f"a frame holds no JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadFrame("a frame holds no JSON object")
    return value


def read(pipe: BinaryIO) -> dict[str, Any] | None:
    """The next message, blocking; None at the end of the pipe. Raises BadFrame."""
    header = pipe.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    size = length(header)
    body = pipe.read(size)
    return decode(body) if len(body) == size else None


def pack(array: NDArray[np.float32]) -> Json:
    """A float32 array of any shape as a JSON value: base64 of its little-endian bytes."""
    data = np.ascontiguousarray(array, dtype="<f4").tobytes()
    return {"shape": list(array.shape), "float32": base64.b64encode(data).decode("ascii")}


def unpack(value: Json) -> NDArray[np.float32]:
    """The array that pack() wrote. Raises BadFrame."""
    if not isinstance(value, Mapping):
        raise BadFrame("a packed array is an object")
    try:
        data = base64.b64decode(value["float32"], validate=True)
        array = np.frombuffer(data, dtype="<f4").reshape(value["shape"])
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise BadFrame(f"not a packed float32 array: {error}") from None
    return array.astype(np.float32)
