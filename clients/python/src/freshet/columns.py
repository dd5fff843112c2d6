"""A column of an answer as numpy, without a loop over its cells."""

from __future__ import annotations

from typing import Any

import numpy as np

# Field of Column -> dtype of its packed little-endian bytes. Times: the least int64 is numpy's NaT.
_PACKED = {
    "int64_le": np.dtype("<i8"),
    "double_le": np.dtype("<f8"),
    "float_le": np.dtype("<f4"),
    "bool_u8": np.dtype("?"),
    "timestamp_us_le": np.dtype("<M8[us]"),
}
# Beyond this much for its longest value times rows, text is decoded value by value rather than as one rectangle.
_RECTANGLE_BYTES = 64 << 20


def to_numpy(column: Any, type_name: str) -> np.ndarray:
    """The values sent: read-only views on the message's bytes, but for text."""
    kind = column.WhichOneof("values")
    if kind in _PACKED:
        return np.frombuffer(getattr(column, kind), dtype=_PACKED[kind])
    if kind == "text":
        offsets = np.frombuffer(column.text.offsets, dtype="<u4")
        return text_to_numpy(offsets, column.text.data, decode=type_name != "bytes")
    if kind == "strings":
        return np.array(column.strings.values, dtype=object)
    if kind == "int64s":
        return np.array(column.int64s.values, dtype=np.int64)
    raise ValueError(f"column {column.name!r} holds {kind}, which this client does not know: upgrade it")


def text_to_numpy(offsets: np.ndarray, data: bytes, decode: bool = True) -> np.ndarray:
    """Arrow's text layout as an object array of str, or of bytes.

    All values are laid out as one rectangle of bytes by one gather, and numpy makes the objects.
    """
    count = len(offsets) - 1
    if count <= 0:
        return np.empty(0, dtype=object)
    starts = offsets[:-1].astype(np.int64)
    lengths = offsets[1:].astype(np.int64) - starts
    width = int(lengths.max())
    if width == 0:
        return np.full(count, "" if decode else b"", dtype=object)
    # numpy's text ends at trailing zeros, and ASCII is one byte a letter.
    if b"\0" in data or width * count > _RECTANGLE_BYTES or (decode and not data.isascii()):
        return _one_by_one(offsets, data, decode)
    padded = np.frombuffer(data + bytes(width), dtype=np.uint8)
    place = np.arange(width)
    rectangle = padded[starts[:, None] + place]
    rectangle[place >= lengths[:, None]] = 0
    if decode:
        return rectangle.astype("<u4").view(f"<U{width}")[:, 0].astype(object)
    return rectangle.view(f"S{width}")[:, 0].astype(object)


def _one_by_one(offsets: np.ndarray, data: bytes, decode: bool) -> np.ndarray:
    bounds = offsets.tolist()
    values = [data[a:b] for a, b in zip(bounds, bounds[1:])]
    array = np.empty(len(values), dtype=object)
    array[:] = [v.decode("utf-8", "replace") for v in values] if decode else values
    return array
