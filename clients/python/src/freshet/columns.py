"""A column of an answer as numpy, without a loop over its cells; of lists and maps without one over their elements."""

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
    """The values sent: read-only views on the message's bytes, but for text, lists and maps."""
    kind = column.WhichOneof("values")
    if kind == "fixed_list":
        return to_numpy(column.fixed_list.elements, "float").reshape(-1, column.fixed_list.size)
    if kind == "list":
        offsets, elements = ragged(column, type_name)
        return _objects([elements[a:b] for a, b in _pairs(offsets)])
    if kind == "map":
        offsets = _offsets(column.map)
        key_type, value_type = map_types(type_name)
        # Python's own numbers: what a dict is looked up by, and what is printed.
        keys = to_numpy(column.map.keys, key_type).tolist()
        values = to_numpy(column.map.values, value_type).tolist()
        return _objects([dict(zip(keys[a:b], values[a:b])) for a, b in _pairs(offsets)])
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


def ragged(column: Any, type_name: str) -> tuple[np.ndarray, np.ndarray]:
    """A column of lists as it was sent: list i is elements[offsets[i]:offsets[i + 1]]. Null elements are NaN, NaT or None."""
    elements = to_numpy(column.list.elements, element_type(type_name))
    nulls = np.frombuffer(column.list.elements.nulls, dtype=bool)
    if len(nulls):
        if elements.dtype.kind in "ib":  # which have no word for it
            elements = elements.astype(object)
        elif elements.dtype.kind == "M" or elements.dtype == object:
            elements = elements.copy()
        if elements.dtype.kind != "f":
            elements[nulls] = np.datetime64("NaT") if elements.dtype.kind == "M" else None
    return _offsets(column.list), elements


def element_type(type_name: str) -> str:
    """list<string> -> string"""
    return type_name[len("list<"):type_name.rindex(">")]


def map_types(type_name: str) -> tuple[str, str]:
    """map<string, double> -> string, double"""
    key, value = type_name[len("map<"):-1].split(", ")
    return key, value


def _offsets(lists: Any) -> np.ndarray:
    return np.frombuffer(lists.offsets, dtype="<u4").astype(np.int64)


def _pairs(offsets: np.ndarray) -> Any:
    bounds = offsets.tolist()
    return zip(bounds, bounds[1:])


def _objects(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):  # numpy would make a rectangle of lists of one length
        array[i] = value
    return array


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
