"""Requests: what Python and numpy hold, as packed columns."""

from __future__ import annotations

import datetime
from collections.abc import Set
from typing import Any, Mapping, Optional, Sequence, Union

import numpy as np

from freshet import wire

Selection = Union[str, Sequence[str]]
Scalar = Union[str, bytes, int, bool, datetime.datetime, np.generic, None]
Keys = Mapping[str, Union[Scalar, Sequence[Scalar], np.ndarray]]
Inputs = Mapping[str, Union[Scalar, float, Sequence[Union[Scalar, float]], np.ndarray]]
AsOf = Union[None, str, datetime.datetime, np.datetime64, Sequence[Any], np.ndarray]

_SCALARS = (str, bytes, bytearray, int, float, datetime.datetime, np.generic, type(None))
# Types that have a null among their values; pandas' are known by name, so that it need not be there.
_MAY_BE_NULL = {"NoneType", "NAType", "NaTType", "float", "float16", "float32", "float64", "datetime64"}
_LAYOUTS = {"columns": "columns", "float32": "matrix_float32", "float64": "matrix_float64"}


def build(selection: Selection, keys: Keys, as_of: AsOf, layout: str, event_times: bool, schema_id: int,
          inputs: Optional[Inputs] = None, event_id: str = "") -> Any:
    request = wire.GetFeaturesRequest(schema_id=schema_id, event_times=event_times, event_id=event_id)
    if isinstance(selection, str):
        request.feature_service = selection
    else:
        request.features.names.extend(selection)
    if layout not in _LAYOUTS:
        raise ValueError(f"layout {layout!r}: one of {', '.join(_LAYOUTS)}")
    request.layout = wire.LAYOUTS[_LAYOUTS[layout]]
    for name, values in keys.items():
        _fill(request.keys.add(), "key", name, values)
    for name, values in (inputs or {}).items():
        _fill(request.inputs.add(), "input", name, values)
    if as_of is not None:
        request.as_of_us.extend(_microseconds(as_of, "as_of").tolist())
    return request


def _fill(column: Any, what: str, name: str, values: Any) -> None:
    """`what`: key or input; keys are never fractions."""
    column.name = name
    if isinstance(values, np.ndarray) and values.ndim != 1:
        if values.ndim > 1:
            raise ValueError(f"{what} {name!r}: {values.ndim} dimensions; give one value or a list of them")
        values = values[()]
    if isinstance(values, (Mapping, Set)):
        raise TypeError(f"{what} {name!r}: a {type(values).__name__} has no rows; give one value or a list of them")
    if isinstance(values, _SCALARS) or not (hasattr(values, "__iter__") or hasattr(values, "to_numpy")):
        column.broadcast = True
        values = [values]
    elif not isinstance(values, (list, np.ndarray)):
        values = values.to_numpy() if hasattr(values, "to_numpy") else list(values)
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        values = values.tolist()
    nulls = _nulls(values)
    if nulls is not None:
        column.nulls = nulls.tobytes()
    _fill_values(column, what, name, values, nulls)


def _nulls(values: Union[list[Any], np.ndarray]) -> Optional[np.ndarray]:
    """One byte a value, where any is null: None, NaN, NaT and pandas' NA."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind != "M":
            return None
        mask = np.isnat(values)
    elif any(t.__name__ in _MAY_BE_NULL for t in set(map(type, values))):
        mask = np.fromiter(map(_is_null, values), dtype=bool, count=len(values))
    else:
        return None
    return mask.astype(np.uint8) if mask.any() else None


def _is_null(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return isinstance(value, (float, np.floating)) and bool(value != value)


def _fill_values(column: Any, what: str, name: str, values: Union[list[Any], np.ndarray],
                 nulls: Optional[np.ndarray]) -> None:
    if nulls is not None:
        present = [v for v, null in zip(values, nulls) if not null]
        if not present:  # of no type: text, which the server takes for every null
            column.strings.values.extend([""] * len(nulls))
            return
        stand_in = present[0]
        values = [stand_in if null else v for v, null in zip(values, nulls)]
    first = values[0] if len(values) else None
    kind = values.dtype.kind if isinstance(values, np.ndarray) else _kind(first)
    try:
        if kind == "U":
            column.strings.values.extend(values.tolist() if isinstance(values, np.ndarray) else values)
        elif kind == "b":
            column.bool_u8 = _of_kind(values, "b").tobytes()
        elif what == "input" and (kind == "f" or (kind == "i" and _has_fraction(values))):
            column.double_le = _of_kind(values, "fiu").astype("<f8").tobytes()
        elif kind in "iu":
            column.int64_le = _of_kind(values, "iu").astype("<i8").tobytes()
        elif kind == "M":
            column.timestamp_us_le = _microseconds(values, f"{what} {name!r}").tobytes()
        elif kind == "S":
            _fill_text(column.text, values.tolist() if isinstance(values, np.ndarray) else values)
        else:
            wanted = "text, numbers, bool or times" if what == "input" else "text, whole numbers, bool or times"
            article = "an input" if what == "input" else "a key"
            raise TypeError(f"{what} {name!r}: {type(first).__name__} cannot be {article}; give {wanted}")
    except (TypeError, OverflowError, ValueError) as error:
        if str(error).startswith(what + " "):
            raise
        raise TypeError(f"{what} {name!r}: values of different types, or out of range: {error}") from error


def _kind(value: Any) -> str:
    """numpy's letter for a Python value."""
    if isinstance(value, str) or value is None:
        return "U"
    if isinstance(value, (bool, np.bool_)):
        return "b"
    if isinstance(value, (int, np.integer)):
        return "i"
    if isinstance(value, (float, np.floating)):
        return "f"
    if isinstance(value, (datetime.datetime, np.datetime64)):
        return "M"
    if isinstance(value, (bytes, bytearray)):
        return "S"
    return "?"


def _has_fraction(values: Any) -> bool:
    """A list that begins with a whole number and holds others."""
    return isinstance(values, list) and any(isinstance(v, (float, np.floating)) for v in values)


def _of_kind(values: Any, kinds: str) -> np.ndarray:
    """An array, where numpy would cut a fraction, wrap a number, take a bool for one or read a text silently."""
    if "b" not in kinds and isinstance(values, list) and not {bool, np.bool_}.isdisjoint(map(type, values)):
        raise TypeError("a bool is not a number")
    array = np.asarray(values)
    if array.dtype.kind not in kinds or (array.dtype.kind == "u" and (array > np.uint64(2**63 - 1)).any()):
        if "f" in kinds:
            raise TypeError("not all are numbers")
        raise TypeError("not all are whole numbers of 64 bits" if "i" in kinds else "not all are bool")
    return array


def _fill_text(text: Any, values: list[bytes]) -> None:
    offsets = np.zeros(len(values) + 1, dtype="<u4")
    np.cumsum([len(v) for v in values], out=offsets[1:])
    text.data = b"".join(values)  # a TypeError where one is not bytes
    text.offsets = offsets.tobytes()


def _microseconds(times: Any, what: str) -> np.ndarray:
    """Times as int64 microseconds since the epoch, one or many."""
    if isinstance(times, (str, datetime.datetime, np.datetime64)):
        times = [times]
    if isinstance(times, np.ndarray) and times.dtype.kind == "M":
        array = times
    elif getattr(getattr(times, "dtype", None), "kind", "") == "M" or hasattr(times, "dt"):  # pandas, with or without zone
        array = times.to_numpy(dtype="datetime64[ns]")
    else:
        array = np.array([_naive_utc(t, what) for t in times], dtype="datetime64[us]")
    if np.isnat(array).any():
        raise ValueError(f"{what}: a time is missing (NaT)")
    return array.astype("datetime64[us]").astype("<i8")


def _naive_utc(time: Any, what: str) -> Any:
    if isinstance(time, str):
        try:
            time = datetime.datetime.fromisoformat(time[:-1] + "+00:00" if time[-1:] in "zZ" else time)
        except ValueError as error:
            raise ValueError(f"{what}: {time!r} is not a time; write 2013-01-01T10:15:00Z") from error
    if isinstance(time, datetime.datetime):
        if time.tzinfo is None:
            raise ValueError(f"{what}: {time.isoformat()} has no time zone; add Z or tzinfo=datetime.timezone.utc")
        return time.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    if isinstance(time, np.datetime64):
        return time
    raise TypeError(f"{what}: {type(time).__name__} is not a time; give a datetime, a datetime64 or RFC 3339 text")
