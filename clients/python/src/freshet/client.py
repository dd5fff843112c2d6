"""The client, and what it shares with its asyncio twin."""

from __future__ import annotations

import json
from typing import Any, Iterable, Mapping, Optional, Sequence, Union

import grpc

from freshet import catalog, errors, push, request, wire
from freshet.answer import Answer, Field
from freshet.request import AsOf, Inputs, Keys, Selection

DEFAULT_ADDRESS = "127.0.0.1:7570"
_MAX_MESSAGE_BYTES = 64 << 20

# Reads may be repeated, and so may pushes, which carry who sends them; once is enough where an instance goes away, and more would feed an overload.
SERVICE_CONFIG = json.dumps({
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [{
        "name": [{"service": wire.SERVING}, {"service": wire.CATALOG}, {"service": wire.INGEST}],
        "retryPolicy": {
            "maxAttempts": 2,
            "initialBackoff": "0.01s",
            "maxBackoff": "0.1s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }],
})


def channel_options(extra: Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [("grpc.service_config", SERVICE_CONFIG), ("grpc.enable_retries", 1),
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES), *extra]


class Schemas:
    """The schemas that this client holds, by what was asked for, so that answers come without names."""

    def __init__(self) -> None:
        self._held: dict[Any, tuple[int, tuple[Field, ...]]] = {}

    def build(self, selection: Selection, keys: Keys, as_of: AsOf, layout: str, event_times: bool,
              inputs: Optional[Inputs] = None, event_id: str = "") -> tuple[Any, Any]:
        """The request, and under which key its schema is held."""
        held_as = selection if isinstance(selection, str) else tuple(selection)
        schema_id = self._held.get(held_as, (0, ()))[0]
        return request.build(selection, keys, as_of, layout, event_times, schema_id, inputs, event_id), held_as

    def read(self, sent: Any, held_as: Any, response: Any) -> Answer:
        if response.HasField("schema"):
            fields = tuple(Field(f.name, f.type, f.view, f.has_default, f.derived) for f in response.schema.fields)
            self._held[held_as] = (response.schema_id, fields)
            return Answer(response, fields)
        schema_id, fields = self._held.get(held_as, (0, ()))
        if response.schema_id != sent.schema_id or response.schema_id != schema_id:
            raise errors.FreshetError(f"the server answered with schema {response.schema_id:016x} and did not send it")
        return Answer(response, fields)


class Client:
    """Thread-safe; one channel, which reconnects by itself. `timeout` in seconds is that of each call, retry included.

    `address`: host:port, or what gRPC resolves to several: dns:///freshet.internal:7570 is balanced round robin.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout: float = 1.0,
                 credentials: Optional[grpc.ChannelCredentials] = None,
                 options: Sequence[tuple[str, Any]] = ()) -> None:
        self.timeout = timeout
        self._schemas = Schemas()
        if credentials is None:
            self._channel = grpc.insecure_channel(address, options=channel_options(options))
        else:
            self._channel = grpc.secure_channel(address, credentials, options=channel_options(options))
        self._get = wire.unary(self._channel, wire.SERVING, "GetFeatures",
                               wire.GetFeaturesRequest, wire.GetFeaturesResponse)
        self._describe = wire.unary(self._channel, wire.CATALOG, "DescribeCatalog",
                                    wire.DescribeCatalogRequest, wire.DescribeCatalogResponse)
        self._producers = push.Producers()
        self._push = wire.unary(self._channel, wire.INGEST, "PushEvents", wire.PushEventsRequest, wire.PushResponse)
        self._delete = wire.unary(self._channel, wire.INGEST, "DeleteEntities",
                                  wire.DeleteEntitiesRequest, wire.PushResponse)

    def get_features(self, features: Selection, keys: Keys, *, inputs: Optional[Inputs] = None, as_of: AsOf = None,
                     layout: str = "columns", event_times: bool = False, event_id: str = "",
                     timeout: Optional[float] = None) -> Answer:
        """Features of one row or of thousands.

        features: a feature service's name, or a list of "view:feature" and "view".
        keys: by name, one value for every row or a list (numpy, pandas) of one a row; None: no such entity.
        inputs: what the service takes with a request, by name; as keys, and fractions too. None (or NaN): null.
        as_of: None for now, one time for all rows, or one a row.
        event_id: of the request's own event (count_request), in text: not counted again where it was applied already.
        layout: "columns"; "float32" or "float64" for `answer.matrix()` as the server laid it out.
        Raises a FreshetError.
        """
        sent, held_as = self._schemas.build(features, keys, as_of, layout, event_times, inputs, event_id)
        try:
            response = self._get(sent, timeout=self.timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            raise errors.from_rpc_error(error) from None
        return self._schemas.read(sent, held_as, response)

    def describe(self, feature_service: str = "", *, timeout: Optional[float] = None) -> catalog.Catalog:
        """Everything there is to ask for, or one feature service with its views."""
        try:
            response = self._describe(wire.DescribeCatalogRequest(feature_service=feature_service),
                                      timeout=self.timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            raise errors.from_rpc_error(error) from None
        return catalog.from_response(response)

    def push(self, source: str, events: Union[push.Event, Iterable[push.Event]], *, wait: str = "applied",
             skip_bad: bool = False, record_keys: Optional[Sequence[Union[str, bytes]]] = None,
             headers: Optional[Mapping[str, str]] = None, producer: Optional[push.Producer] = None,
             timeout: Optional[float] = None) -> push.Pushed:
        """Sends events to a source: an event or several, as mappings or as JSON.

        wait: "applied", so that this server's next answer counts them; "durable", once the log has them.
        skip_bad: leaves out (and tells) events that would be refused; else one of them refuses the call.
        record_keys, headers: for sources that read `$key` or `$headers`.
        producer: (id, sequence of the first event) that makes the call repeatable across processes; without it the client
        sends under ids of its own, and an error carries the one to use again: push(..., producer=error.producer).
        Raises a FreshetError. Its metadata["durable"] says how many events the log has all the same.
        """
        sent = push.events_request(source, events, wait, skip_bad, record_keys, headers)
        return self._send(self._push, sent, producer, timeout)

    def delete(self, source: str, keys: Any, *, wait: str = "applied", producer: Optional[push.Producer] = None,
               timeout: Optional[float] = None) -> push.Pushed:
        """Drops what the views of the source's key hold of an entity or of several: values of the field that `key` names."""
        return self._send(self._delete, push.deletes_request(source, keys, wait), producer, timeout)

    def _send(self, call: Any, sent: Any, producer: Optional[push.Producer], timeout: Optional[float]) -> push.Pushed:
        count = push.size_of(sent)
        used = producer or self._producers.take()
        push.name(sent, used)
        try:
            response = call(sent, timeout=max(self.timeout, push.TIMEOUT) if timeout is None else timeout)
        except grpc.RpcError as error:
            failed = errors.of_push(error, used)
            if producer is None and push.nothing_was_sent(failed):
                self._producers.done(used, 0)
            raise failed from None
        if producer is None:
            self._producers.done(used, count)
        return push.read(response)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
