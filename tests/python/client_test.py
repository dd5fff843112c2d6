"""The client against the real server; what is right is worked out here from the events, by plain loops."""

import asyncio
import datetime
import socket
import statistics
import threading

import numpy as np
import pytest

import freshet
from conftest import free_port
from freshet import FeatureStatus

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
HOUR, MINUTE, DAY = datetime.timedelta(hours=1), datetime.timedelta(minutes=1), datetime.timedelta(days=1)


def floor(time, hop):
    return time - (time - EPOCH) % hop


@pytest.fixture
def client(server):
    with freshet.Client(server.address, timeout=10) as c:
        yield c


def within(server, start, **keys):
    return [e for e in server.events if e["at"] >= start and all(e[k] == v for k, v in keys.items())]


def board(server, origin, carrier, dest):
    """The departure board of one flight, at the newest event."""
    now = server.now
    hour = within(server, floor(now - HOUR, MINUTE), origin=origin)
    delays = [e["dep_delay"] for e in hour if e["dep_delay"] is not None]
    six = [e["dep_delay"] for e in within(server, floor(now - 6 * HOUR, 10 * MINUTE), origin=origin)
           if e["dep_delay"] is not None]
    carrier_day = [e["arr_delay"] for e in within(server, floor(now - DAY, HOUR), carrier=carrier)
                   if e["arr_delay"] is not None]
    carrier_week = [e["arr_delay"] for e in within(server, floor(now - 7 * DAY, 6 * HOUR), carrier=carrier)
                    if e["arr_delay"] is not None]
    route = within(server, EPOCH, origin=origin, dest=dest)
    tails = [e["tailnum"] for e in route if e["tailnum"] is not None]
    return {
        "departures_1h": len(hour),
        "departures_24h": len(within(server, floor(now - DAY, HOUR), origin=origin)),
        "departures_tumbling_1d": len(within(server, floor(now, DAY), origin=origin)),
        "delay_mean_1h": statistics.fmean(delays) if delays else None,
        "delay_max_6h": max(six, default=None),
        "carrier_delay_mean_24h": statistics.fmean(carrier_day) if carrier_day else None,
        "carrier_delay_stddev_7d": statistics.stdev(carrier_week) if len(carrier_week) > 1 else None,
        "route_flights_7d": len(within(server, floor(now - 7 * DAY, 6 * HOUR), origin=origin, dest=dest)),
        "route_flights_lifetime": len(route),
        "route_last_tailnum": tails[-1] if tails else None,
    }


def busy_routes(server, count=40):
    """Flights of the last week, whose rows no ttl has reached."""
    recent = within(server, server.now - 6 * DAY)
    return sorted({(e["origin"], e["carrier"], e["dest"]) for e in recent})[:count]


def test_values_are_those_of_the_events(server, client):
    routes = busy_routes(server)
    origins, carriers, dests = zip(*routes)
    r = client.get_features("departure_board", {"origin": origins, "carrier": carriers, "dest": dests})
    assert r.num_rows == len(routes) and r.evaluated_at == server.now
    for i, route in enumerate(routes):
        expected = board(server, *route)
        assert list(expected) == list(r)
        for name, value in expected.items():
            assert r.missing(name)[i] == (value is None), (route, name)
            if isinstance(value, float):
                assert r[name][i] == pytest.approx(value, rel=1e-9), (route, name)
            elif value is not None:
                assert r[name][i] == value, (route, name)


def test_one_value_of_a_key_stands_for_all_rows(client):
    r = client.get_features("departure_board", {"origin": "JFK", "carrier": np.array(["B6", "DL"]), "dest": "LAX"})
    one = client.get_features("departure_board", {"origin": "JFK", "carrier": "DL", "dest": "LAX"})
    assert r["departures_1h"].shape == (2,) and r["departures_1h"][0] == r["departures_1h"][1]
    for name in r:
        assert r[name][1] == one[name][0]


def test_names_are_sent_once_and_the_schema_is_reused(client):
    keys = {"origin": ["JFK"]}
    first, second = (client.get_features("airport_now", keys) for _ in range(2))
    assert first._response.HasField("schema") and not second._response.HasField("schema")
    assert dict(zip(first, map(list, first.values()))) == dict(zip(second, map(list, second.values())))


def test_features_by_name(server, client):
    r = client.get_features(["airport_departures:departures_1h", "route_traffic"], {"origin": "JFK", "dest": ["LAX"]})
    assert list(r)[0] == "departures_1h" and "route_first_flight" in r
    first = min(e["at"] for e in server.events if (e["origin"], e["dest"]) == ("JFK", "LAX"))
    assert r["route_first_flight"][0] == np.datetime64(first.replace(tzinfo=None))


def test_matrices_are_the_columns(client):
    keys = {"origin": ["EWR", "JFK", "XXX"]}
    columns = client.get_features("airport_now", keys)
    for layout, dtype in (("float32", np.float32), ("float64", np.float64)):
        m = client.get_features("airport_now", keys, layout=layout).matrix(dtype)
        assert m.dtype == dtype and m.shape == (3, 3)
        np.testing.assert_array_equal(m, columns.matrix(dtype))
    assert np.isnan(m[2, 2]) and m[2, 0] == 0  # a mean has no default, a count has


def test_an_entity_never_seen_is_not_found_and_counts_are_zero(client):
    r = client.get_features("airport_now", {"origin": "XXX"})
    assert r.statuses["departures_1h"].tolist() == [FeatureStatus.NOT_FOUND]
    assert r["departures_1h"].tolist() == [0] and not r.missing("departures_1h")[0]
    assert r.missing("delay_mean_6h")[0] and np.isnan(r["delay_mean_6h"][0])
    with pytest.raises(freshet.MissingFeatures, match="departures_1h: NOT_FOUND"):
        r.raise_if_missing()


def test_a_null_key_is_not_found_and_no_error(client):
    r = client.get_features("airport_now", {"origin": ["JFK", None]})
    assert r.statuses["departures_1h"].tolist() == [FeatureStatus.PRESENT, FeatureStatus.NOT_FOUND]


def test_as_of_asks_for_values_as_they_stood(server, client):
    then = floor(server.now - 5 * HOUR, HOUR) + 17 * MINUTE
    r = client.get_features("airport_now", {"origin": "JFK"}, as_of=then)
    # The pane that holds as_of is left out: it may hold what came later.
    counted = [e for e in within(server, floor(then - HOUR, MINUTE), origin="JFK") if e["at"] < floor(then, MINUTE)]
    assert r["departures_1h"].tolist() == [len(counted)]
    both = client.get_features("airport_now", {"origin": "JFK"}, as_of=[then, server.now - 3 * DAY])
    assert both["departures_1h"][0] == len(counted)
    assert both.statuses["departures_1h"][1] == FeatureStatus.OUTSIDE_HISTORY


def test_event_times_are_those_of_the_newest_events(server, client):
    r = client.get_features("airport_now", {"origin": ["JFK", "XXX"]}, event_times=True)
    newest = max(e["at"] for e in server.events if e["origin"] == "JFK")
    times = r.event_times["airport_departures"]
    assert times[0] == np.datetime64(newest.replace(tzinfo=None)) and np.isnat(times[1])
    assert r.views["airport_departures"].watermark == server.now - 10 * MINUTE


def test_pandas(client):
    frame = client.get_features("airport_now", {"origin": ["JFK", "XXX"]}).to_pandas()
    assert frame["departures_1h"].dtype == "Int64" and frame["departures_1h"][1] == 0
    assert frame["delay_mean_6h"].isna().tolist() == [False, True]


def test_an_unknown_service_names_the_nearest(client):
    with pytest.raises(freshet.UnknownFeatureService) as failed:
        client.get_features("departure_bord", {})
    assert failed.value.nearest == "departure_board" and failed.value.reason == "UNKNOWN_FEATURE_SERVICE"
    assert "departure_board" in str(failed.value)


def test_an_unknown_feature_names_the_nearest(client):
    with pytest.raises(freshet.UnknownFeature) as failed:
        client.get_features(["airport_departures:departures_2h"], {"origin": "JFK"})
    assert failed.value.nearest and failed.value.nearest.startswith("airport_departures:departures_")


@pytest.mark.parametrize("keys, reason", [
    ({}, "MISSING_KEY"),
    ({"origin": "JFK", "airport": "JFK"}, "UNKNOWN_KEY"),
    ({"origin": 7}, "WRONG_TYPE"),
    ({"origin": ["JFK"] * 20_000}, "TOO_MANY_ROWS"),
])
def test_a_bad_request_says_why(client, keys, reason):
    with pytest.raises(freshet.InvalidRequest) as failed:
        client.get_features("airport_now", keys)
    assert failed.value.reason == reason


def test_columns_of_different_lengths_are_refused(client):
    with pytest.raises(freshet.InvalidRequest) as failed:
        client.get_features("departure_board", {"origin": ["JFK"] * 3, "carrier": ["B6"] * 2, "dest": "LAX"})
    assert failed.value.reason == "RAGGED_COLUMNS"


def test_the_catalog_says_what_there_is_to_ask_for(client):
    catalog = client.describe()
    assert catalog.project == "flights" and catalog.clock == "event_time"
    assert list(catalog.services["departure_board"].keys) == ["origin", "carrier", "dest"]
    assert catalog.views["airport_departures"].features["delay_mean_1h"].type == "double"
    assert catalog.views["route_traffic"].ttl == 30 * DAY
    assert list(client.describe("airport_now").services) == ["airport_now"]


def test_no_server_is_unavailable():
    with freshet.Client(f"127.0.0.1:{free_port()}") as nobody:
        with pytest.raises(freshet.Unavailable):
            nobody.get_features("x", {})


def test_a_deadline_is_kept():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never says a word
        with freshet.Client(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.2) as hasty:
            with pytest.raises(freshet.DeadlineExceeded):
                hasty.get_features("airport_now", {"origin": "JFK"})


def test_the_asyncio_twin_answers_the_same(server, client):
    async def ask():
        async with freshet.AsyncClient(server.address, timeout=10) as twin:
            answers = await asyncio.gather(
                *(twin.get_features("airport_now", {"origin": [o]}) for o in ("JFK", "EWR", "LGA")))
            with pytest.raises(freshet.UnknownFeatureService):
                await twin.get_features("nothing", {})
            return answers, (await twin.describe()).project

    answers, project = asyncio.run(ask())
    assert project == "flights"
    together = client.get_features("airport_now", {"origin": ["JFK", "EWR", "LGA"]})
    for i, answer in enumerate(answers):
        assert {n: v.tolist() for n, v in answer.items()} == {n: v[i:i + 1].tolist() for n, v in together.items()}


def test_threads_share_a_client(client):
    failures = []

    def ask():
        try:
            for _ in range(20):
                client.get_features("airport_now", {"origin": ["JFK", "EWR"]}).raise_if_missing()
        except Exception as error:  # noqa: BLE001  shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_inputs_derived_features_and_the_requests_own_event(server, client):
    now = server.now
    hour = len(within(server, floor(now - HOUR, MINUTE), origin="JFK"))
    day = len(within(server, floor(now - DAY, HOUR), carrier="B6"))
    answer = client.get_features(
        "live_board", {"origin": "JFK", "flown_by": ["B6", "none"]},
        inputs={"dep_delay": [10, None], "factor": 1.5, "note": "Zoë"}, event_times=True)
    assert answer["departures_1h"].tolist() == [hour + 1, hour + 1]
    assert answer["operator:carrier_flights_24h"].tolist() == [day + 1, 1]
    assert answer["late"][0] == 15 and np.isnan(answer["late"][1])
    assert answer.statuses["late"].tolist() == [FeatureStatus.PRESENT, FeatureStatus.NULL_VALUE]
    assert answer["label"].tolist() == ["Zoë!", "Zoë!"]
    assert answer["busy"].tolist() == [hour + 1 > 10, hour + 1 > 10]
    assert set(answer.event_times) == {"airport_departures", "operator:carrier_punctuality"}
    assert [field.derived for field in answer.fields] == [False, False, True, True, True]


def test_a_missing_or_misspelt_input_is_named(client):
    keys = {"origin": "JFK", "flown_by": "B6"}
    with pytest.raises(freshet.InvalidRequest, match="needs input factor, note"):
        client.get_features("live_board", keys, inputs={"dep_delay": 1})
    with pytest.raises(freshet.InvalidRequest, match="did you mean factor"):
        client.get_features("live_board", keys, inputs={"dep_delay": 1, "fctor": 1, "note": ""})


def test_describe_tells_inputs_and_derived_features(client):
    service = client.describe("live_board").services["live_board"]
    assert service.inputs == {"dep_delay": "int64", "factor": "double", "note": "string"}
    assert list(service.derived) == ["late", "label", "busy"]
    assert service.count_request == "departures"
    assert list(service.keys) == ["origin", "flown_by"]
