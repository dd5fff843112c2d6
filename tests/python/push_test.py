"""Pushes through the client: applied when they return, each once however often it is sent."""

import asyncio
import concurrent.futures
import datetime

import numpy as np
import pytest

import freshet

EPOCH = datetime.datetime(2013, 6, 1, tzinfo=datetime.timezone.utc)


@pytest.fixture
def client(server):
    with freshet.Client(server.address, timeout=10) as c:
        yield c


def departure(carrier, minute, **more):
    return {"scheduled": EPOCH + datetime.timedelta(minutes=minute), "origin": "XXX", "dest": "YYY", "carrier": carrier,
            "dep_delay": np.int64(5), **more}


def flights(client):
    r = client.get_features(["route_traffic:route_flights_lifetime"], {"origin": "XXX", "dest": "YYY"})
    return int(r["route_flights_lifetime"][0])


def test_what_was_pushed_is_in_the_next_answer(client):
    before = flights(client)
    pushed = client.push("departures", departure("AA", 1))
    assert (pushed.durable, pushed.applied, pushed.repeated, pushed.bad) == (1, 1, 0, ())
    assert sum(pushed.partitions.values()) > 0
    client.push("departures", [departure("AA", 2), departure("AA", 3)])
    assert flights(client) == before + 3
    assert client.push("departures", departure("AA", 4), wait="durable").applied == 0


def test_the_same_push_again_counts_once(client):
    events = [departure("AA", minute) for minute in range(3)]
    client.push("departures", events, producer=("test-again", 1))
    before = flights(client)
    again = client.push("departures", events, producer=("test-again", 1))
    assert (again.applied, again.repeated) == (3, 3)
    assert flights(client) == before


def test_a_refused_event_is_told_by_its_index(client):
    before = flights(client)
    with pytest.raises(freshet.InvalidRequest) as refused:
        client.push("departures", [departure("AA", 1), "nonsense", departure("AA", 2, dep_delay="late")])
    assert refused.value.reason == "BAD_EVENT"
    assert set(refused.value.violations) == {"events[1]", "events[2]"}
    assert refused.value.producer
    assert flights(client) == before
    pushed = client.push("departures", ["nonsense", departure("AA", 1)], skip_bad=True)
    assert [(bad.index, bad.reason) for bad in pushed.bad] == [(0, "malformed")]
    assert pushed.applied == 1


def test_unknown_sources_and_sources_without_key(client):
    with pytest.raises(freshet.UnknownSource) as unknown:
        client.push("departure", departure("AA", 1))
    assert "departures" in str(unknown.value)
    with pytest.raises(ValueError):
        client.push("departures", departure("AA", 1), wait="never")
    with pytest.raises(TypeError):
        client.push("departures", {"scheduled": datetime.datetime(2013, 1, 1)})
    with pytest.raises(freshet.FreshetError) as cannot:
        client.delete("departures", "XXX")
    assert cannot.value.reason == "CANNOT_DELETE"


def test_threads_push_beside_each_other_and_all_count(client):
    before = flights(client)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda m: client.push("departures", departure("BB", m // 10)), range(60)))
    assert sum(one.applied for one in done) == 60
    assert sum(one.repeated for one in done) == 0
    assert flights(client) == before + 60


def test_the_asyncio_twin_pushes(server, client):
    before = flights(client)

    async def run():
        async with freshet.AsyncClient(server.address, timeout=10) as c:
            done = await asyncio.gather(*(c.push("departures", departure("CC", m)) for m in range(10)))
            with pytest.raises(freshet.InvalidRequest) as refused:
                await c.push("departures", "nonsense")
            assert refused.value.violations
            return sum(one.applied for one in done)

    assert asyncio.run(run()) == 10
    assert flights(client) == before + 10
