"""The protocol's messages and methods, made from the descriptor set that the build compiled from proto/.

A pool of its own: whatever else of google.rpc or freshet.v1 a process has loaded cannot collide with it.
"""

from __future__ import annotations

from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def _load_pool() -> descriptor_pool.DescriptorPool:
    files = descriptor_pb2.FileDescriptorSet()
    files.ParseFromString(resources.files("freshet").joinpath("protocol.binpb").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:  # imports stand before what imports them
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_POOL = _load_pool()
_FACTORY = None if hasattr(message_factory, "GetMessageClass") else message_factory.MessageFactory(_POOL)


def message(name: str) -> Any:
    """The class of a message by its full name."""
    descriptor = _POOL.FindMessageTypeByName(name)
    if _FACTORY is not None:
        return _FACTORY.GetPrototype(descriptor)  # protobuf before 4.22
    return message_factory.GetMessageClass(descriptor)


GetFeaturesRequest = message("freshet.v1.GetFeaturesRequest")
GetFeaturesResponse = message("freshet.v1.GetFeaturesResponse")
Column = message("freshet.v1.Column")
DescribeCatalogRequest = message("freshet.v1.DescribeCatalogRequest")
DescribeCatalogResponse = message("freshet.v1.DescribeCatalogResponse")
PushEventsRequest = message("freshet.v1.PushEventsRequest")
DeleteEntitiesRequest = message("freshet.v1.DeleteEntitiesRequest")
PushResponse = message("freshet.v1.PushResponse")
RpcStatus = message("google.rpc.Status")
ErrorInfo = message("google.rpc.ErrorInfo")
BadRequest = message("google.rpc.BadRequest")

LAYOUTS = {
    value.name[len("LAYOUT_"):].lower(): value.number
    for value in _POOL.FindEnumTypeByName("freshet.v1.Layout").values
}

PUSH_WAITS = {
    value.name[len("PUSH_WAIT_"):].lower(): value.number
    for value in _POOL.FindEnumTypeByName("freshet.v1.PushWait").values
}

SERVING = "freshet.v1.ServingService"
CATALOG = "freshet.v1.CatalogService"
INGEST = "freshet.v1.IngestService"


def unary(channel: Any, service: str, method: str, request: Any, response: Any) -> Any:
    """A callable for one method, on a channel of grpc or of grpc.aio."""
    return channel.unary_unary(f"/{service}/{method}", request_serializer=request.SerializeToString,
                               response_deserializer=response.FromString)
