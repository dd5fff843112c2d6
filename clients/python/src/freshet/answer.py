"""What GetFeatures answers: a mapping from a feature's name to its numpy column."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, Optional

import numpy as np

from freshet import columns
from freshet.errors import MissingFeatures

if TYPE_CHECKING:
    import pandas
    import pyarrow

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class FeatureStatus(enum.IntEnum):
    """Why a cell is what it is."""

    PRESENT = 1
    NULL_VALUE = 2  # the row is there, the feature has no value
    NOT_FOUND = 3  # no such row
    OUTSIDE_MAX_AGE = 4  # the row is older than its view's ttl
    OUTSIDE_HISTORY = 5  # as_of reaches further back than the view's history
    ERROR = 6  # overflow, a failed expression


@dataclass(frozen=True)
class Field:
    """A feature of an answer's schema."""

    name: str
    type: str  # bool int64 double float string bytes timestamp list<T> list<float>[N] map<K, V>
    view: int  # of `derived` ones: meaningless
    has_default: bool
    derived: bool = False  # computed at the request


@dataclass(frozen=True)
class ViewInfo:
    """Events up to `watermark` have most likely arrived; a window that reaches below `complete_since` is only partly
    filled (None: always complete)."""

    watermark: Optional[datetime.datetime]
    complete_since: Optional[datetime.datetime]


class _Columns(Mapping[str, np.ndarray]):
    """One array a name, made when asked for."""

    def __init__(self, names: Mapping[str, int], make: Any, what: str) -> None:
        self._names = names
        self._make = make
        self._what = what

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(f"{self._what} {name!r} is not in this answer; it holds {', '.join(self._names)}")
        return self._make(self._names[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Answer(Mapping[str, np.ndarray]):
    """Columns of `num_rows` values, in the service's order.

    `answer["spend_1h"]` is numpy: int64, float64, float32, bool, datetime64[us], or objects for text. Where a cell has no
    value it holds 0, NaN, NaT or None: ask `missing("spend_1h")` or `statuses`. Arrays may be read-only views.
    A list<T> is an object array of numpy arrays, a map one of dicts; a list<float>[N] is float32 of shape (num_rows, N), NaN
    where there is no value. `ragged` gives lists flat, as embedding bags take them.
    """

    def __init__(self, response: Any, fields: tuple[Field, ...]) -> None:
        self._response = response
        self.fields = fields
        self.num_rows: int = response.num_rows
        self._index = {field.name: i for i, field in enumerate(fields)}
        # Where each column's statuses begin: a broadcast column sends one.
        if response.columns:
            sent = [1 if column.broadcast else self.num_rows for column in response.columns]
        else:
            sent = [self.num_rows] * len(fields)
        self._sent = sent
        self._starts = np.concatenate(([0], np.cumsum(sent))).tolist() if sent else [0]
        self._cache: dict[int, np.ndarray] = {}

        # Name of a feature -> FeatureStatus numbers, one a row.
        self.statuses: Mapping[str, np.ndarray] = _Columns(self._index, self._statuses, "feature")
        # Name of a feature -> whether a bound cut something off, one a row.
        self.degraded: Mapping[str, np.ndarray] = _Columns(self._index, self._degraded, "feature")
        self._views = {_label(view): i for i, view in enumerate(response.views)}
        # Name of a feature view, in a role "role:view" -> time of the newest event of each row, NaT where there is no row. On request.
        self.event_times: Mapping[str, np.ndarray] = _Columns(self._views, self._event_times, "feature view")

    @property
    def evaluated_at(self) -> datetime.datetime:
        """The `now` that the server used: log it."""
        return _datetime(self._response.evaluated_at_us)

    @property
    def views(self) -> dict[str, ViewInfo]:
        return {
            _label(view): ViewInfo(
                watermark=_datetime(view.watermark_us) if view.HasField("watermark_us") else None,
                complete_since=_datetime(view.complete_since_us) if view.HasField("complete_since_us") else None)
            for view in self._response.views
        }

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._index:
            raise KeyError(f"feature {name!r} is not in this answer; it holds {', '.join(self._index)}")
        return self._column(self._index[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def missing(self, name: str) -> np.ndarray:
        """True where the cell has no value. A default (0 of a count for a card never seen) is a value."""
        return self._missing(self._index[name])

    def raise_if_missing(self) -> "Answer":
        """Raises MissingFeatures unless every cell is PRESENT; else the answer itself."""
        if not self._response.statuses:
            return self
        found = []
        for name in self:
            wrong = np.flatnonzero(self.statuses[name] != FeatureStatus.PRESENT)
            if len(wrong):
                first = FeatureStatus(int(self.statuses[name][wrong[0]])).name
                found.append(f"{name}: {first} in row {wrong[0]}"
                             + (f" and {len(wrong) - 1} more rows" if len(wrong) > 1 else ""))
        if found:
            raise MissingFeatures("; ".join(found))
        return self

    def ragged(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Of a list<T>: offsets and elements; row i is elements[offsets[i]:offsets[i + 1]], empty where it has no value."""
        i = self._index[name]
        column = self._response.columns[i]
        if column.WhichOneof("values") != "list":
            raise TypeError(f"{name} is {self.fields[i].type}: only lists are ragged")
        offsets, elements = columns.ragged(column, self.fields[i].type)
        if column.broadcast and self.num_rows != 1:
            offsets = np.arange(self.num_rows + 1, dtype=np.int64) * len(elements)
            elements = np.tile(elements, self.num_rows)
        return offsets, elements

    def matrix(self, dtype: Any = np.float32) -> np.ndarray:
        """num_rows x features, row-major, NaN where there is no value: what torch and most models take."""
        if self._response.matrix or not self._response.columns:
            return self._sent_matrix().astype(dtype, copy=False)
        matrix = np.empty((self.num_rows, len(self.fields)), dtype=dtype)
        for i, field in enumerate(self.fields):
            if field.type not in ("int64", "double", "float", "bool"):
                raise TypeError(f"{field.name} is {field.type}: a matrix holds numbers; ask for the numeric features only")
            matrix[:, i] = self._column(i)
            if field.type in ("int64", "bool"):
                matrix[self._missing(i), i] = np.nan
        return matrix

    def to_pandas(self) -> "pandas.DataFrame":
        """One column a feature; int64 and bool as pandas' nullable types, times in UTC; lists, vectors and maps as objects."""
        import pandas as pd

        frame = {}
        for i, field in enumerate(self.fields):
            values, missing = self._column(i), self._missing(i)
            if field.type == "int64":
                frame[field.name] = pd.array(values, dtype="Int64")
                frame[field.name][missing] = pd.NA
            elif field.type == "bool":
                frame[field.name] = pd.array(values, dtype="boolean")
                frame[field.name][missing] = pd.NA
            elif field.type == "timestamp":
                frame[field.name] = pd.DatetimeIndex(values.astype("datetime64[ns]"), tz="UTC")
            elif values.ndim == 2:
                rows = np.empty(self.num_rows, dtype=object)
                for row in np.flatnonzero(~missing):
                    rows[row] = values[row]
                frame[field.name] = rows
            else:
                frame[field.name] = values
        return pd.DataFrame(frame, index=pd.RangeIndex(self.num_rows))

    def arrow(self) -> "pyarrow.Table":
        """Numbers, times and text without copying them."""
        import pyarrow as pa

        return pa.table({field.name: self._arrow_array(pa, i) for i, field in enumerate(self.fields)})

    def _arrow_array(self, pa: Any, i: int) -> Any:
        field, missing = self.fields[i], self._missing(i)
        valid = pa.py_buffer(np.packbits(~missing, bitorder="little").tobytes()) if missing.any() else None
        column = self._response.columns[i] if self._response.columns else None
        if column is not None and column.WhichOneof("values") == "text" and not column.broadcast:
            type_ = pa.binary() if field.type == "bytes" else pa.string()
            # uint32 offsets are int32 ones below 2 GiB, which no answer reaches.
            return pa.Array.from_buffers(
                type_, self.num_rows, [valid, pa.py_buffer(column.text.offsets), pa.py_buffer(column.text.data)])
        values = np.ascontiguousarray(self._column(i))
        if values.ndim == 2:
            type_ = pa.list_(pa.float32(), values.shape[1])
            elements = _arrow_scalars(pa, "float", values.reshape(-1), None, None)
            return pa.Array.from_buffers(type_, self.num_rows, [valid], children=[elements])
        if field.type.startswith("list<"):
            return self._arrow_list(pa, i, valid)
        if field.type.startswith("map<"):
            key, value = (_arrow_type(pa, name) for name in columns.map_types(field.type))
            return pa.array([None if m is None else list(m.items()) for m in values], type=pa.map_(key, value))
        return _arrow_scalars(pa, field.type, values, valid, missing)

    def _arrow_list(self, pa: Any, i: int, valid: Any) -> Any:
        type_name = columns.element_type(self.fields[i].type)
        offsets, elements = self.ragged(self.fields[i].name)
        column, nulls = self._response.columns[i], None
        if column.list.elements.nulls:
            nulls = np.frombuffer(column.list.elements.nulls, dtype=bool)
            nulls = np.tile(nulls, self.num_rows if column.broadcast else 1)
        if elements.dtype == object:
            flat = pa.array(elements, type=_arrow_type(pa, type_name), from_pandas=True)
        else:
            bits = None if nulls is None else pa.py_buffer(np.packbits(~nulls, bitorder="little").tobytes())
            flat = _arrow_scalars(pa, type_name, np.ascontiguousarray(elements), bits, nulls)
        return pa.Array.from_buffers(pa.list_(flat.type), self.num_rows,
                                     [valid, pa.py_buffer(offsets.astype("<i4"))], children=[flat])

    def _column(self, i: int) -> np.ndarray:
        """The values of all rows, 0, NaN, NaT or None where there is none."""
        if i in self._cache:
            return self._cache[i]
        if not self._response.columns:
            values = self._sent_matrix()[:, i]
        else:
            field = self.fields[i]
            values = columns.to_numpy(self._response.columns[i], field.type)
            if values.dtype == object or field.type == "timestamp":
                missing = self._missing_sent(i)
                if missing.any():
                    values = values.copy()
                    values[missing] = None if field.type != "timestamp" else np.datetime64("NaT")
            values = self._all_rows(values)
        self._cache[i] = values
        return values

    def _sent_matrix(self) -> np.ndarray:
        dtype = "<f4" if len(self._response.matrix) == 4 * self.num_rows * len(self.fields) else "<f8"
        return np.frombuffer(self._response.matrix, dtype=dtype).reshape(self.num_rows, len(self.fields))

    def _missing(self, i: int) -> np.ndarray:
        return self._all_rows(self._missing_sent(i))

    def _missing_sent(self, i: int) -> np.ndarray:
        status, field = self._statuses_sent(i), self.fields[i]
        if not field.has_default:
            return status != FeatureStatus.PRESENT
        return (status == FeatureStatus.OUTSIDE_HISTORY) | (status == FeatureStatus.ERROR) | (
            status == FeatureStatus.NULL_VALUE)

    def _statuses(self, i: int) -> np.ndarray:
        return self._all_rows(self._statuses_sent(i))

    def _statuses_sent(self, i: int) -> np.ndarray:
        return self._cells(self._response.statuses, i, FeatureStatus.PRESENT)

    def _degraded(self, i: int) -> np.ndarray:
        return self._all_rows(self._cells(self._response.degraded, i, 0) != 0)

    def _cells(self, flags: bytes, i: int, otherwise: int) -> np.ndarray:
        """Of one byte a value sent, column by column, those of column i."""
        if not flags:
            return np.full(self._sent[i], otherwise, dtype=np.uint8)
        return np.frombuffer(flags, dtype=np.uint8)[self._starts[i]:self._starts[i + 1]]

    def _event_times(self, i: int) -> np.ndarray:
        view = self._response.views[i]
        if not view.event_times_us_le:
            raise ValueError(f"event times of {_label(view)} were not asked for: get_features(…, event_times=True)")
        return self._all_rows(np.frombuffer(view.event_times_us_le, dtype="<M8[us]"))

    def _all_rows(self, values: np.ndarray) -> np.ndarray:
        if len(values) == self.num_rows:
            return values
        return np.broadcast_to(values, (self.num_rows, *values.shape[1:]))


def _arrow_type(pa: Any, type_name: str) -> Any:
    return {"bool": pa.bool_(), "int64": pa.int64(), "double": pa.float64(), "float": pa.float32(), "string": pa.string(),
            "bytes": pa.binary(), "timestamp": pa.timestamp("us", tz="UTC")}[type_name]


def _arrow_scalars(pa: Any, type_name: str, values: np.ndarray, valid: Any, missing: Any) -> Any:
    """`valid` are Arrow's bits or None; `missing` is the same as numpy has it."""
    if type_name in ("int64", "double", "float", "timestamp"):
        return pa.Array.from_buffers(_arrow_type(pa, type_name), len(values), [valid, pa.py_buffer(values.view(np.uint8))])
    return pa.array(values, type=_arrow_type(pa, type_name), mask=missing)


def _label(view: Any) -> str:
    return f"{view.role}:{view.view}" if view.role else view.view


def _datetime(microseconds: int) -> datetime.datetime:
    return _EPOCH + datetime.timedelta(microseconds=microseconds)
