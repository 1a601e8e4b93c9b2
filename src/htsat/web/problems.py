"""What can be wrong with a request: a status, a code for programs, and one line for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from starlette.responses import JSONResponse

from htsat.errors import AudioError, ConfigError, HtsatError
from htsat.recognition.inference import NonFiniteScoresError


class ServiceError(HtsatError):
    """A request that cannot be answered; the base of those below."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    @property
    def headers(self) -> dict[str, str]:
        """Further headers of the answer."""
        return {}


class BadRequestError(ServiceError):
    """A parameter or a body that is not what it must be."""

    status, code = 400, "bad_request"


class UnauthorizedError(ServiceError):
    """The token is missing or wrong."""

    status, code = 401, "unauthorized"

    @property
    def headers(self) -> dict[str, str]:
        """What the client must bring."""
        return {"WWW-Authenticate": "Bearer"}


class ForeignError(ServiceError):
    """A browser was led here by the page of somebody else."""

    status, code = 403, "foreign"


class SlowUploadError(ServiceError):
    """The rest of the body does not come."""

    status, code = 408, "timeout"


class TooLargeError(ServiceError):
    """The body is larger than is permitted."""

    status, code = 413, "too_large"


class TooLongError(ServiceError):
    """The recording lasts longer than is permitted."""

    status, code = 413, "too_long"


class UnsupportedError(ServiceError):
    """A body of a type that is no recording."""

    status, code = 415, "unsupported_type"


class QueueFullError(ServiceError):
    """As many requests wait as may; `retry_after_s` says when to come again."""

    status, code = 429, "queue_full"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"too many recordings are waiting; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """When to come again."""
        return {"Retry-After": str(self.retry_after_s)}


class DisconnectedError(ServiceError):
    """The client has gone; nobody reads the answer."""

    status, code = 499, "client_gone"


class ShuttingDownError(ServiceError):
    """The service ends."""

    status, code = 503, "shutting_down"

    def __init__(self) -> None:
        super().__init__("the service is shutting down")


class StorageFullError(ServiceError):
    """There is no room for the recording."""

    status, code = 507, "storage_full"


class Problem(NamedTuple):
    """Status, code and one line."""

    status: int
    code: str
    message: str

    @classmethod
    def of(cls, error: HtsatError) -> Problem:
        """What has gone wrong with a request, for a known reason."""
        match error:
            case ServiceError():
                return cls(error.status, error.code, str(error))
            case AudioError() | NonFiniteScoresError():
                return cls(422, "bad_audio", str(error))
            case ConfigError():
                return cls(400, "bad_request", str(error))
        return cls(500, "internal_error", str(error))

    @property
    def document(self) -> dict[str, dict[str, str]]:
        """`{"error": {"code": ..., "message": ...}}`."""
        return {"error": {"code": self.code, "message": self.message}}

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """The answer that says so."""
        return JSONResponse(self.document, self.status, headers)


def error_response(error: HtsatError) -> JSONResponse:
    """The answer to a request that has failed for a known reason."""
    return Problem.of(error).response(error.headers if isinstance(error, ServiceError) else None)
