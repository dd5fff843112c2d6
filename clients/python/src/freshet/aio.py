"""The asyncio twin of Client."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import grpc
import grpc.aio

from freshet import catalog, errors, wire
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

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
