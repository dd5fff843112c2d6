"""Requests from what Python, numpy and pandas hold; no server."""

import datetime

import numpy as np
import pandas as pd
import pytest

from freshet import request, wire


def key(values):
    built = request.build("svc", {"k": values}, None, "columns", False, 0)
    return built.keys[0]


def int64s(column):
    return np.frombuffer(column.int64_le, dtype="<i8").tolist()


def test_one_value_stands_for_every_row():
    assert key("JFK").broadcast and list(key("JFK").strings.values) == ["JFK"]
    assert key(7).broadcast and int64s(key(7)) == [7]
    assert key(np.int32(7)).broadcast and int64s(key(np.int32(7))) == [7]
    assert not key(["JFK"]).broadcast


@pytest.mark.parametrize("values", [
    ["a", "b"], ("a", "b"), np.array(["a", "b"]), np.array(["a", "b"], dtype=object), pd.Series(["a", "b"])])
def test_text_keys_from_lists_numpy_and_pandas(values):
    assert list(key(values).strings.values) == ["a", "b"]


@pytest.mark.parametrize("values", [
    [1, 2], np.array([1, 2], dtype=np.uint8), np.array([1, 2], dtype=object), pd.Series([1, 2])])
def test_whole_number_keys(values):
    assert int64s(key(values)) == [1, 2]


def test_bool_is_not_a_number():
    assert key([True, False]).bool_u8 == b"\1\0"


@pytest.mark.parametrize("values", [[1, "a"], ["a", 1], [1, 2.5], [2**63], 2.5, [b"a", 1], [object()],
                                    np.array([2**63], dtype=np.uint64)])
def test_what_cannot_be_a_key_is_refused_by_name(values):
    with pytest.raises(TypeError, match="key 'k'"):
        key(values)


def test_two_dimensions_are_refused():
    with pytest.raises(ValueError, match="2 dimensions"):
        key(np.zeros((2, 2), dtype=np.int64))


def test_a_null_key_is_marked_and_holds_its_place():
    assert key(["a", None, "b"]).nulls == b"\0\1\0" and len(key(["a", None, "b"]).strings.values) == 3
    assert int64s(key([1, None]))[0] == 1 and key([1, None]).nulls == b"\0\1"
    assert key(None).nulls == b"\1" and key(None).broadcast
    assert key(["a", "b"]).nulls == b""


def test_times_are_microseconds_utc():
    zone = datetime.timezone(datetime.timedelta(hours=2))
    for time in ("2013-01-01T10:15:00Z", "2013-01-01T12:15:00+02:00", np.datetime64("2013-01-01T10:15:00"),
                 datetime.datetime(2013, 1, 1, 12, 15, tzinfo=zone)):
        built = request.build("svc", {}, time, "columns", False, 0)
        assert list(built.as_of_us) == [1357035300000000]
    many = request.build("svc", {}, pd.Series(pd.to_datetime(["2013-01-01T10:15:00Z"] * 2)), "columns", False, 0)
    assert list(many.as_of_us) == [1357035300000000] * 2


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        request.build("svc", {}, datetime.datetime(2013, 1, 1), "columns", False, 0)
    with pytest.raises(ValueError, match="is not a time"):
        request.build("svc", {}, "yesterday", "columns", False, 0)


def test_a_list_of_features_selects_by_name():
    built = request.build(["v:a", "v:b"], {}, None, "float32", True, 5)
    assert list(built.features.names) == ["v:a", "v:b"] and built.schema_id == 5 and built.event_times
    assert built.layout == wire.LAYOUTS["matrix_float32"]
    with pytest.raises(ValueError, match="columns, float32, float64"):
        request.build("svc", {}, None, "rows", False, 0)


def doubles(values):
    column = request.build("svc", {}, None, "columns", False, 0, {"x": values}).inputs[0]
    assert column.name == "x"
    return np.frombuffer(column.double_le, dtype="<f8").tolist()


@pytest.mark.parametrize("values", [[1.5, 2.0], [1, 2.5], np.array([1.5, 2.0]), pd.Series([1.5, 2.0])])
def test_inputs_may_be_fractions(values):
    assert len(doubles(values)) == 2
    assert doubles(1.5) == [1.5]


def test_a_null_input_is_marked(values=(1.5, None)):
    column = request.build("svc", {}, None, "columns", False, 0, {"x": list(values)}).inputs[0]
    assert column.nulls == b"\0\1"


def test_a_fraction_is_no_key():
    with pytest.raises(TypeError, match="cannot be a key"):
        key(1.5)


def input_of(values):
    return request.build("svc", {}, None, "columns", False, 0, {"x": values}).inputs[0]


def test_pandas_own_nulls_are_nulls():
    whole = key(pd.Series([1, None], dtype="Int64"))
    assert whole.nulls == b"\0\1" and int64s(whole)[0] == 1
    text = key(pd.Series(["a", None, "b"], dtype="string"))
    assert text.nulls == b"\0\1\0" and text.strings.values[2] == "b"
    assert input_of(pd.Series([None, True], dtype="boolean")).bool_u8[1:] == b"\1"
    assert input_of(pd.Series([1.5, None], dtype="Float64")).nulls == b"\0\1"
    assert key(pd.NA).nulls == b"\1" and key(pd.NA).broadcast


def test_nan_stands_for_no_value_beside_text():
    assert key(pd.Series(["a", np.nan])).nulls == b"\0\1"
    assert key(["a", float("nan")]).nulls == b"\0\1"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", None])
def test_a_missing_time_is_null(zone):
    column = input_of(pd.Series(pd.to_datetime(["2013-01-01T10:15:00", None])).dt.tz_localize(zone))
    assert column.nulls == b"\0\1"
    first = np.frombuffer(column.timestamp_us_le, dtype="<i8")[0]
    assert first == 1357035300000000 - (3600000000 if zone == "Europe/Berlin" else 0)
    assert input_of([pd.Timestamp("2013-01-01T10:15:00Z"), pd.NaT]).nulls == b"\0\1"


def test_a_bytearray_is_one_value():
    column = key(bytearray(b"ab"))
    assert column.broadcast and column.text.data == b"ab"


@pytest.mark.parametrize("values", [[1, True], [True, 1], [1, np.True_], datetime.date(2020, 1, 1), [datetime.date(2020, 1, 1)],
                                    {"a": 1}, {"a"}])
def test_what_would_be_taken_for_something_else_is_refused_by_name(values):
    with pytest.raises(TypeError, match="key 'k'"):
        key(values)


def test_a_bool_is_no_fraction_either():
    with pytest.raises(TypeError, match="input 'x'.*bool"):
        input_of([1.5, True])
