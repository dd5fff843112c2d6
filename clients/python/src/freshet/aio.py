"""The asyncio twin of Client."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Sequence, Union

import grpc
import grpc.aio

from freshet import catalog, errors, push, wire
from freshet.answer import Answer
from freshet.client import DEFAULT_ADDRESS, Schemas, channel_options
from freshet.request import AsOf, Inputs, Keys, Selection


class AsyncClient:
    """As Client, awaited. Belongs to the event loop in which it was made."""

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout: float = 1.0,
                 credentials: Optional[grpc.ChannelCredentials] = None,
                 options: Sequence[tuple[str, Any]] = ()) -> None:
        self.timeout = timeout
        self._schemas = Schemas()
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(address, options=channel_options(options))
        else:
            self._channel = grpc.aio.secure_channel(address, credentials, options=channel_options(options))
        self._get = wire.unary(self._channel, wire.SERVING, "GetFeatures",
                               wire.GetFeaturesRequest, wire.GetFeaturesResponse)
        self._describe = wire.unary(self._channel, wire.CATALOG, "DescribeCatalog",
                                    wire.DescribeCatalogRequest, wire.DescribeCatalogResponse)
        self._producers = push.Producers()
        self._push = wire.unary(self._channel, wire.INGEST, "PushEvents", wire.PushEventsRequest, wire.PushResponse)
        self._delete = wire.unary(self._channel, wire.INGEST, "DeleteEntities",
                                  wire.DeleteEntitiesRequest, wire.PushResponse)

    async def get_features(self, features: Selection, keys: Keys, *, inputs: Optional[Inputs] = None, as_of: AsOf = None,
                           layout: str = "columns", event_times: bool = False, event_id: str = "",
                     timeout: Optional[float] = None) -> Answer:
        """See Client.get_features."""
        sent, held_as = self._schemas.build(features, keys, as_of, layout, event_times, inputs, event_id)
        try:
            response = await self._get(sent, timeout=self.timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            raise errors.from_rpc_error(error) from None
        return self._schemas.read(sent, held_as, response)

    async def describe(self, feature_service: str = "", *, timeout: Optional[float] = None) -> catalog.Catalog:
        """See Client.describe."""
        try:
            response = await self._describe(wire.DescribeCatalogRequest(feature_service=feature_service),
                                            timeout=self.timeout if timeout is None else timeout)
        except grpc.RpcError as error:
            raise errors.from_rpc_error(error) from None
        return catalog.from_response(response)

    async def push(self, source: str, events: Union[push.Event, Iterable[push.Event]], *, wait: str = "applied",
                   skip_bad: bool = False, record_keys: Optional[Sequence[Union[str, bytes]]] = None,
                   headers: Optional[Mapping[str, str]] = None, producer: Optional[push.Producer] = None,
                   timeout: Optional[float] = None) -> push.Pushed:
        """See Client.push."""
        sent = push.events_request(source, events, wait, skip_bad, record_keys, headers)
        return await self._send(self._push, sent, producer, timeout)

    async def delete(self, source: str, keys: Any, *, wait: str = "applied",
                     producer: Optional[push.Producer] = None, timeout: Optional[float] = None) -> push.Pushed:
        """See Client.delete."""
        return await self._send(self._delete, push.deletes_request(source, keys, wait), producer, timeout)

    async def _send(self, call: Any, sent: Any, producer: Optional[push.Producer],
                    timeout: Optional[float]) -> push.Pushed:
        used = producer or self._producers.take()
        push.name(sent, used)
        try:
            response = await call(sent, timeout=max(self.timeout, push.TIMEOUT) if timeout is None else timeout)
        except grpc.RpcError as error:
            failed = errors.of_push(error, used)
            if producer is None and push.nothing_was_sent(failed):
                self._producers.done(used, 0)
            raise failed from None
        if producer is None:
            self._producers.done(used, push.size_of(sent))
        return push.read(response)

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
