"""Pushes: events and deletes on their way to the source's log, each counted once however often a call is made again."""

from __future__ import annotations

import dataclasses
import datetime
import json
import threading
import uuid
from typing import Any, Iterable, Iterator, Mapping, Optional, Sequence, Union

from freshet import errors, wire

Event = Union[Mapping[str, Any], str, bytes]
# Who sends, and the sequence of the first event.
Producer = tuple[str, int]

# A push waits for the log, which takes longer than a read.
TIMEOUT = 10.0

_WAITS = {"applied": wire.PUSH_WAITS["applied"], "durable": wire.PUSH_WAITS["durable"]}


@dataclasses.dataclass(frozen=True)
class BadEvent:
    """An event that was left out (skip_bad): `reason` as a dead letter's."""
    index: int
    reason: str
    detail: str


@dataclasses.dataclass(frozen=True)
class Pushed:
    """What a push came to."""
    durable: int  # in the log
    applied: int  # of these, so that this server's next answer sees them; 0 where that was not waited for
    repeated: int  # of the applied, known from an earlier call
    bad: tuple[BadEvent, ...]
    partitions: Mapping[int, int]  # partition -> the offset after the last one


class Producers:
    """Ids to send under, one for each push at a time: a producer's sequences have to come in order. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[Producer] = []

    def take(self) -> Producer:
        with self._lock:
            return self._free.pop() if self._free else (uuid.uuid4().hex, 1)

    def done(self, used: Producer, count: int) -> None:
        """After success, or where nothing was sent: what failed may be made again under its own id, before anything later."""
        with self._lock:
            self._free.append((used[0], used[1] + count))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise TypeError(f"{value!r} has no time zone")
        return value.isoformat()
    if hasattr(value, "item"):  # numpy's
        return value.item()
    raise TypeError(f"{value!r} has no JSON")


def _encode(event: Event) -> bytes:
    if isinstance(event, bytes):
        return event
    if isinstance(event, str):
        return event.encode()
    return json.dumps(event, default=_plain, allow_nan=False).encode()


def _wait(wait: str) -> int:
    if wait not in _WAITS:
        raise ValueError(f"wait={wait!r}: it is 'applied' or 'durable'")
    return _WAITS[wait]


def events_request(source: str, events: Union[Event, Iterable[Event]], wait: str, skip_bad: bool,
                   record_keys: Optional[Sequence[Union[str, bytes]]], headers: Optional[Mapping[str, str]]) -> Any:
    one = isinstance(events, (Mapping, str, bytes))
    request = wire.PushEventsRequest(source=source, wait=_wait(wait), skip_bad=skip_bad)
    request.events.extend(_encode(event) for event in ([events] if one else events))
    request.record_keys.extend(key.encode() if isinstance(key, str) else key for key in record_keys or ())
    request.headers.update(headers or {})
    return request


def deletes_request(source: str, keys: Any, wait: str) -> Any:
    one = isinstance(keys, (str, int))
    request = wire.DeleteEntitiesRequest(source=source, wait=_wait(wait))
    listed = [keys] if one else list(keys)
    if all(isinstance(key, str) for key in listed):
        request.keys.extend(listed)
    else:
        request.int64_keys.extend(int(key) for key in listed)
    return request


def size_of(request: Any) -> int:
    if isinstance(request, wire.PushEventsRequest):
        return len(request.events)
    return len(request.keys) + len(request.int64_keys)


def name(request: Any, producer: Producer) -> None:
    request.producer.id, request.producer.first_sequence = producer


def nothing_was_sent(error: errors.FreshetError) -> bool:
    refused = isinstance(error, (errors.InvalidRequest, errors.UnknownSource))
    return refused and error.metadata.get("durable", "0") == "0"


def _bad(response: Any) -> Iterator[BadEvent]:
    for one in response.bad:
        yield BadEvent(one.index, one.reason, one.detail)


def read(response: Any) -> Pushed:
    return Pushed(response.durable, response.applied, response.repeated, tuple(_bad(response)),
                  {one.partition: one.next_offset for one in response.partitions})
