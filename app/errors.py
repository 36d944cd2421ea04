"""Every error Ballast answers with. Services raise these; `http/problems.py` turns them into problem+json.

    BallastError
      x BadRequest              400 bad_request
      x Unauthorized            401 unauthorized
      x Forbidden               403 forbidden
      x NotFound                404 not_found
      x MethodNotAllowed        405 method_not_allowed
      x RequestTimeout          408 request_timeout
      x Conflict                409 conflict
      x PreconditionFailed      412 precondition_failed
      x PayloadTooLarge         413 payload_too_large
      x TooManyPixels           413 too_many_pixels
      x MemoryExceedsLimit      413 memory_exceeds_limit
      x UnsupportedMedia        415 unsupported_media
      x RangeNotSatisfiable     416 range_not_satisfiable
      x InvalidMedia            422 invalid_media
      x InvalidParameter        422 invalid_parameter
      x Locked                  423 locked
      x QueueFull               429 queue_full
      x TooManyRequests         429 too_many_requests
      x ChecksumMismatch        460 checksum_mismatch
      x WorkerFailed            500 worker_failed
      x InternalError           500 internal_error
      x Overloaded              503 overloaded
      x ModelMissing            503 model_missing
      x ProcessingTimeout       504 processing_timeout
      x StorageUnavailable      503 storage_unavailable
      x StorageFull             507 storage_full

`code` is stable: it is the problem's `code`, the metric label and the WebSocket error code.
"""

from __future__ import annotations

import errno
from typing import ClassVar

PROBLEM_TYPE = "application/problem+json"


class BallastError(Exception):
    """An error with a public message.

    `detail` is sent to the client: no host path, traceback or tool output belongs in it. `extra` are further
    members of the problem (camelCase names, sizes in bytes). `retry_after_seconds` becomes `Retry-After`.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, detail: str, *, retry_after_seconds: int | None = None, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        self.extra = extra

    def problem(self, request_id: str | None) -> dict[str, object]:
        """Return the problem document (RFC 9457), for a response body, a stream message or a batch line."""
        return {
            "type": f"urn:ballast:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "requestId": request_id,
            **self.extra,
        }


class BadRequest(BallastError):
    code, status, title = "bad_request", 400, "Bad request"


class Unauthorized(BallastError):
    code, status, title = "unauthorized", 401, "Unauthorized"


class Forbidden(BallastError):
    code, status, title = "forbidden", 403, "Forbidden"


class NotFound(BallastError):
    code, status, title = "not_found", 404, "Not found"


class MethodNotAllowed(BallastError):
    code, status, title = "method_not_allowed", 405, "Method not allowed"


class RequestTimeout(BallastError):
    code, status, title = "request_timeout", 408, "Request timeout"


class Conflict(BallastError):
    code, status, title = "conflict", 409, "Conflict"


class PreconditionFailed(BallastError):
    code, status, title = "precondition_failed", 412, "Precondition failed"


class PayloadTooLarge(BallastError):
    code, status, title = "payload_too_large", 413, "Payload too large"


class TooManyPixels(BallastError):
    code, status, title = "too_many_pixels", 413, "Too many pixels"


class MemoryExceedsLimit(BallastError):
    code, status, title = "memory_exceeds_limit", 413, "Exceeds the memory limit"


class UnsupportedMedia(BallastError):
    code, status, title = "unsupported_media", 415, "Unsupported media type"


class RangeNotSatisfiable(BallastError):
    code, status, title = "range_not_satisfiable", 416, "Range not satisfiable"


class InvalidMedia(BallastError):
    code, status, title = "invalid_media", 422, "Invalid media"


class InvalidParameter(BallastError):
    code, status, title = "invalid_parameter", 422, "Invalid parameter"


class Locked(BallastError):
    code, status, title = "locked", 423, "Locked by another request"


class QueueFull(BallastError):
    code, status, title = "queue_full", 429, "Queue full"


class TooManyRequests(BallastError):
    code, status, title = "too_many_requests", 429, "Too many requests"


class ChecksumMismatch(BallastError):
    code, status, title = "checksum_mismatch", 460, "Checksum mismatch"


class WorkerFailed(BallastError):
    code, status, title = "worker_failed", 500, "Worker failed"


class InternalError(BallastError):
    code, status, title = "internal_error", 500, "Internal error"


class Overloaded(BallastError):
    code, status, title = "overloaded", 503, "Overloaded"


class ModelMissing(BallastError):
    code, status, title = "model_missing", 503, "Model missing"


class ProcessingTimeout(BallastError):
    code, status, title = "processing_timeout", 504, "Processing timeout"


class StorageUnavailable(BallastError):
    code, status, title = "storage_unavailable", 503, "Storage unavailable"


class StorageFull(BallastError):
    code, status, title = "storage_full", 507, "Storage full"


_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No room for more: on the device (its blocks or its inodes), in the user's quota, in one file (RLIMIT_FSIZE, or the
largest that the file system knows). To a client they are one thing: it will not fit."""

_NO_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""The process, the system or the container has no descriptor, memory or process left now."""

_NO_DISK = frozenset({errno.EROFS, errno.ENXIO, errno.ENODEV, errno.ESTALE})
"""The disk is away, or the kernel made it read-only after an error of it."""

_RETRY_SECONDS = 5


def of_system(error: BaseException) -> BallastError | None:
    """Return what an error of the system means to a client; None: nothing that a client could know or do about.

    This is the one place that knows errno(3): whoever meets an OSError asks here.
    """
    if not isinstance(error, OSError):
        return None
    if error.errno in _NO_ROOM:
        return StorageFull("The disk is full.")
    if error.errno in _NO_RESOURCES:
        return Overloaded("The service has too much open to do this now.", retry_after_seconds=_RETRY_SECONDS)
    if error.errno in _NO_DISK:
        return StorageUnavailable("The disk cannot be used now.", retry_after_seconds=_RETRY_SECONDS)
    return None
