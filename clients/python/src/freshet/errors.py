"""What can go wrong, as types: `reason` is the server's own word (docs/api.md), `nearest` the name that was perhaps meant."""

from __future__ import annotations

from typing import Any, Mapping, Optional

import grpc

from freshet import wire


class FreshetError(Exception):
    """A call that failed. `str(error)` names what is wrong and what would do."""

    def __init__(self, message: str, *, code: Optional[grpc.StatusCode] = None, reason: str = "",
                 metadata: Optional[Mapping[str, str]] = None,
                 violations: Optional[Mapping[str, str]] = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.metadata: Mapping[str, str] = dict(metadata or {})
        # Field of the request ("keys[1]") -> what is wrong with it.
        self.violations: Mapping[str, str] = dict(violations or {})
        # Of a push that failed: who sent it, and its first sequence. push(..., producer=error.producer) makes it again.
        self.producer: Optional[tuple[str, int]] = None

    @property
    def nearest(self) -> Optional[str]:
        """The valid name that is closest to the one that is not."""
        return self.metadata.get("nearest")


class UnknownFeatureService(FreshetError):
    """There is no feature service of this name."""


class UnknownFeature(FreshetError):
    """There is no feature or feature view of this name."""


class UnknownSource(FreshetError):
    """There is no source of this name."""


class InvalidRequest(FreshetError):
    """BAD_EVENT and others of pushes; MISSING_KEY, UNKNOWN_KEY, WRONG_TYPE, RAGGED_COLUMNS, TOO_MANY_ROWS, RESPONSE_TOO_LARGE, NOT_NUMERIC."""


class Unavailable(FreshetError):
    """DRAINING, OVERLOADED, VIEW_REBUILDING, or no server at the address. Was tried twice."""


class DeadlineExceeded(FreshetError):
    """No answer within the timeout."""


class MissingFeatures(FreshetError):
    """Answer.raise_if_missing: some cells have no value of their own."""


_BY_REASON = {"UNKNOWN_FEATURE_SERVICE": UnknownFeatureService, "UNKNOWN_FEATURE": UnknownFeature,
              "UNKNOWN_SOURCE": UnknownSource}
_BY_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}


def from_rpc_error(error: Any) -> FreshetError:
    """Of a grpc.RpcError (also grpc.aio's) with the details that the server sent along."""
    code = error.code()
    details = {"reason": "", "metadata": {}, "violations": {}}
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            details = _details(value)
    kind = _BY_REASON.get(details["reason"]) or _BY_CODE.get(code, FreshetError)
    return kind(error.details() or code.name, code=code, **details)


def of_push(error: Any, producer: tuple[str, int]) -> FreshetError:
    failed = from_rpc_error(error)
    failed.producer = producer
    return failed


def _details(raw: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {"reason": "", "metadata": {}, "violations": {}}
    for detail in wire.RpcStatus.FromString(raw).details:
        name = detail.type_url.rpartition("/")[2]
        if name == "google.rpc.ErrorInfo":
            info = wire.ErrorInfo.FromString(detail.value)
            found["reason"] = info.reason
            found["metadata"] = dict(info.metadata)
        elif name == "google.rpc.BadRequest":
            for violation in wire.BadRequest.FromString(detail.value).field_violations:
                found["violations"][violation.field] = violation.description
    return found
