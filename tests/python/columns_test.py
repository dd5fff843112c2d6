"""Columns of an answer as numpy: hand-made messages, no server."""

import random

import numpy as np
import pandas as pd
import pytest

from freshet import Answer, FeatureStatus, MissingFeatures, wire
from freshet.answer import Field
from freshet.columns import text_to_numpy

P, N, F, H = (FeatureStatus.PRESENT, FeatureStatus.NULL_VALUE, FeatureStatus.NOT_FOUND, FeatureStatus.OUTSIDE_HISTORY)


def text_column(values):
    column = wire.Column()
    raw = [v.encode() for v in values]
    column.text.offsets = np.cumsum([0] + [len(v) for v in raw]).astype("<u4").tobytes()
    column.text.data = b"".join(raw)
    return column


def packed(kind, dtype, values, broadcast=False):
    return wire.Column(**{kind: np.array(values, dtype=dtype).tobytes()}, broadcast=broadcast)


def answer(num_rows, columns, statuses=b"", degraded=b"", **response):
    """columns: (name, type, has_default, Column)"""
    fields = tuple(Field(name, type_, 0, has_default) for name, type_, has_default, _ in columns)
    return Answer(wire.GetFeaturesResponse(num_rows=num_rows, columns=[c for *_, c in columns],
                                           statuses=bytes(statuses), degraded=degraded, **response), fields)


@pytest.fixture
def three_rows():
    return answer(3, [
        ("count", "int64", True, packed("int64_le", "<i8", [7, 0, 0])),
        ("most", "int64", False, packed("int64_le", "<i8", [5, 0, 0])),
        ("mean", "double", False, packed("double_le", "<f8", [1.5, np.nan, np.nan])),
        ("shop", "string", False, text_column(["a", "", ""])),
        ("seen", "timestamp", False, packed("timestamp_us_le", "<i8", [1_000_000, 0, 0])),
        ("city", "double", False, packed("double_le", "<f8", [9], broadcast=True)),
    ], [P, F, H] + [P, F, N] + [P, F, N] + [P, F, N] + [P, F, N] + [P])


def test_a_default_of_an_entity_never_seen_is_a_value_and_a_zero_without_one_is_not(three_rows):
    assert three_rows["count"].tolist() == [7, 0, 0]
    assert three_rows.missing("count").tolist() == [False, False, True]
    assert three_rows.missing("most").tolist() == [False, True, True]


def test_a_broadcast_column_stands_for_every_row(three_rows):
    assert three_rows["city"].tolist() == [9.0, 9.0, 9.0]
    assert three_rows.statuses["city"].tolist() == [P, P, P]


def test_statuses_are_those_of_each_column(three_rows):
    assert three_rows.statuses["count"].tolist() == [P, F, H]
    assert three_rows.statuses["shop"].tolist() == [P, F, N]


def test_no_statuses_sent_means_all_present():
    r = answer(2, [("x", "double", False, packed("double_le", "<f8", [1, 2]))])
    assert r.statuses["x"].tolist() == [P, P]
    assert r.degraded["x"].tolist() == [False, False]
    assert r.raise_if_missing() is r


def test_text_without_a_value_is_none_and_times_are_nat(three_rows):
    assert three_rows["shop"].tolist() == ["a", None, None]
    assert three_rows["seen"][0] == np.datetime64("1970-01-01T00:00:01")
    assert np.isnat(three_rows["seen"][1:]).all()


def test_missing_features_are_named_with_status_and_row(three_rows):
    with pytest.raises(MissingFeatures, match="count: NOT_FOUND in row 1 and 1 more rows"):
        three_rows.raise_if_missing()


def test_numbers_are_read_without_a_copy():
    r = answer(2, [("x", "double", False, packed("double_le", "<f8", [1, 2]))])
    assert not r["x"].flags.owndata


def test_a_matrix_holds_nan_where_there_is_no_value_and_defaults_where_there_are():
    r = answer(2, [("n", "int64", True, packed("int64_le", "<i8", [3, 0])),
                   ("m", "int64", False, packed("int64_le", "<i8", [4, 0])),
                   ("b", "bool", False, packed("bool_u8", "u1", [1, 0]))], [P, F, P, F, P, P])
    m = r.matrix()
    assert m.dtype == np.float32 and m.shape == (2, 3)
    np.testing.assert_array_equal(m, np.array([[3, 4, 1], [0, np.nan, 0]], dtype=np.float32))


def test_a_matrix_of_text_is_refused_by_name(three_rows):
    with pytest.raises(TypeError, match="shop is string"):
        three_rows.matrix()


def test_a_sent_matrix_is_taken_as_it_is_and_gives_columns():
    for dtype in ("<f4", "<f8"):
        sent = np.array([[1, 2], [3, np.nan]], dtype=dtype)
        r = Answer(wire.GetFeaturesResponse(num_rows=2, matrix=sent.tobytes()),
                   (Field("a", "int64", 0, False), Field("b", "double", 0, False)))
        np.testing.assert_array_equal(r.matrix(np.dtype(dtype)), sent)
        assert r["a"].tolist() == [1, 3]


def test_pandas_has_nullable_integers(three_rows):
    frame = three_rows.to_pandas()
    assert list(frame.columns) == ["count", "most", "mean", "shop", "seen", "city"]
    assert frame["count"].dtype == "Int64" and frame["count"].isna().tolist() == [False, False, True]
    assert frame["most"].tolist()[0] == 5 and frame["most"].isna().tolist() == [False, True, True]
    assert frame["seen"][0] == pd.Timestamp("1970-01-01T00:00:01Z") and frame["seen"].isna()[1]
    assert frame["shop"][0] == "a" and frame["shop"].isna().tolist() == [False, True, True]


def test_arrow_tables_where_pyarrow_is_there(three_rows):
    pytest.importorskip("pyarrow", reason="pyarrow is not in Debian 12")
    assert three_rows.arrow().to_pydict()["most"] == [5, None, None]
    assert three_rows.arrow().to_pydict()["shop"] == ["a", None, None]


def test_a_name_that_is_not_there_is_an_error_that_lists_those_that_are(three_rows):
    with pytest.raises(KeyError, match="cuont.*count, most"):
        three_rows["cuont"]


def test_event_times_that_were_not_asked_for_say_so():
    r = answer(1, [("x", "double", False, packed("double_le", "<f8", [1]))], views=[{"view": "v"}])
    with pytest.raises(ValueError, match="event_times=True"):
        r.event_times["v"]


def test_event_times_of_rows_that_are_not_there_are_nat():
    times = np.array([5, np.iinfo(np.int64).min], dtype="<i8").tobytes()
    r = answer(2, [("x", "double", False, packed("double_le", "<f8", [1, 2]))],
               views=[{"view": "v", "event_times_us_le": times}])
    assert r.event_times["v"][0] == np.datetime64(5, "us")
    assert np.isnat(r.event_times["v"][1])


def test_text_of_any_kind_is_read_as_python_would():
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    alphabets = ["abc", "aé", "a\0", "", "日本語", "xyz 0123"]
    for _ in range(200):
        alphabet = rng.choice(alphabets)
        values = ["".join(rng.choices(alphabet, k=rng.randrange(9))) if alphabet else ""
                  for _ in range(rng.randrange(20))]
        column = text_column(values)
        read = text_to_numpy(np.frombuffer(column.text.offsets, dtype="<u4"), column.text.data)
        assert read.dtype == object and read.tolist() == values, seed
        read = text_to_numpy(np.frombuffer(column.text.offsets, dtype="<u4"), column.text.data, decode=False)
        assert read.tolist() == [v.encode() for v in values], seed


def offsets(*numbers):
    return np.array(numbers, dtype="<u4").tobytes()


def list_column(bounds, elements, nulls=b""):
    elements.nulls = bytes(nulls)
    return wire.Column(list={"offsets": offsets(*bounds), "elements": elements})


@pytest.fixture
def lists():
    """Three rows: two elements, an empty list, no value."""
    vectors = packed("float_le", "<f4", [1, 2, 3, 4, np.nan, np.nan])
    return answer(3, [
        ("shops", "list<string>", False, list_column([0, 2, 2, 2], text_column(["a", ""]), [0, 1])),
        ("amounts", "list<double>", True, list_column([0, 2, 2, 2], packed("double_le", "<f8", [1.5, 2]))),
        ("counts", "list<int64>", False, list_column([0, 2, 2, 2], packed("int64_le", "<i8", [7, 0]), [0, 1])),
        ("seen", "list<timestamp>", False, list_column([0, 1, 1, 1], packed("timestamp_us_le", "<i8", [5]))),
        ("by_shop", "map<string, double>", False, wire.Column(map={
            "offsets": offsets(0, 2, 2, 2), "keys": text_column(["a", "b"]),
            "values": packed("double_le", "<f8", [1.5, 2])})),
        ("embedding", "list<float>[2]", False, wire.Column(fixed_list={"size": 2, "elements": vectors})),
    ], [P, P, F] * 6)


def test_a_list_is_an_array_a_row_and_none_where_there_is_no_value(lists):
    assert lists["shops"].dtype == object
    assert lists["shops"][0].tolist() == ["a", None]
    assert lists["shops"][1].tolist() == [] and lists["shops"][2] is None
    assert lists["counts"][0].tolist() == [7, None]
    assert lists["amounts"][0].dtype == np.float64 and lists["amounts"][0].tolist() == [1.5, 2]
    assert lists["seen"][0].tolist() == [np.datetime64(5, "us").item()]


def test_the_default_of_a_list_is_the_empty_one(lists):
    assert lists.missing("amounts").tolist() == [False, False, False]
    assert lists["amounts"][2].tolist() == []


def test_lists_of_one_length_stay_lists():
    r = answer(2, [("x", "list<double>", False, list_column([0, 2, 4], packed("double_le", "<f8", [1, 2, 3, 4])))])
    assert r["x"].shape == (2,) and r["x"][1].tolist() == [3, 4]


def test_lists_come_flat_without_a_copy_of_their_elements(lists):
    bounds, elements = lists.ragged("amounts")
    assert bounds.tolist() == [0, 2, 2, 2] and elements.tolist() == [1.5, 2] and not elements.flags.owndata
    with pytest.raises(TypeError, match="embedding is list<float>"):
        lists.ragged("embedding")


def test_a_map_is_a_dict_a_row(lists):
    assert lists["by_shop"].tolist() == [{"a": 1.5, "b": 2.0}, {}, None]


def test_vectors_are_one_rectangle_of_floats_without_a_copy():
    column = wire.Column(fixed_list={"size": 2, "elements": packed("float_le", "<f4", [1, 2, 3, 4])})
    r = answer(2, [("embedding", "list<float>[2]", False, column)])
    assert r["embedding"].shape == (2, 2) and r["embedding"].dtype == np.float32
    assert r["embedding"].tolist() == [[1, 2], [3, 4]] and not r["embedding"].flags.owndata


def test_a_vector_without_a_value_is_nan(lists):
    assert np.isnan(lists["embedding"][2]).all() and lists.missing("embedding").tolist() == [False, False, True]


def test_a_broadcast_list_vector_or_map_stands_for_every_row():
    vector = wire.Column(fixed_list={"size": 2, "elements": packed("float_le", "<f4", [1, 2])}, broadcast=True)
    shops = list_column([0, 2], packed("int64_le", "<i8", [5, 6]))
    shops.broadcast = True
    counts = wire.Column(map={"offsets": offsets(0, 1), "keys": packed("int64_le", "<i8", [9]),
                              "values": packed("int64_le", "<i8", [3])}, broadcast=True)
    r = answer(3, [("v", "list<float>[2]", False, vector), ("l", "list<int64>", False, shops),
                   ("m", "map<int64, int64>", False, counts)], [P, P, P])
    assert r["v"].shape == (3, 2) and r["v"][2].tolist() == [1, 2]
    assert [x.tolist() for x in r["l"]] == [[5, 6]] * 3
    assert r["m"].tolist() == [{9: 3}] * 3
    bounds, elements = r.ragged("l")
    assert bounds.tolist() == [0, 2, 4, 6] and elements.tolist() == [5, 6] * 3


def test_a_matrix_of_lists_is_refused_by_name(lists):
    with pytest.raises(TypeError, match="shops is list<string>"):
        lists.matrix()


def test_pandas_holds_lists_vectors_and_maps_as_objects(lists):
    frame = lists.to_pandas()
    assert frame["shops"][0].tolist() == ["a", None] and frame["shops"][2] is None
    assert frame["embedding"][1].tolist() == [3, 4] and frame["embedding"][2] is None
    assert frame["by_shop"][0] == {"a": 1.5, "b": 2.0}


def test_arrow_holds_lists_vectors_and_maps(lists):
    pytest.importorskip("pyarrow", reason="pyarrow is not in Debian 12")
    table = lists.arrow().to_pydict()
    assert table["shops"] == [["a", None], [], None]
    assert table["amounts"] == [[1.5, 2], [], []]
    assert table["counts"] == [[7, None], [], None]
    assert table["by_shop"] == [[("a", 1.5), ("b", 2.0)], [], None]
    assert table["embedding"] == [[1, 2], [3, 4], None]
