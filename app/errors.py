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

from typing import ClassVar


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


class BadRequest(BallastError):
    code, status, title = "bad_request", 400, "The request could not be read"


class Unauthorized(BallastError):
    code, status, title = "unauthorized", 401, "A key is needed"


class Forbidden(BallastError):
    code, status, title = "forbidden", 403, "Not allowed"


class NotFound(BallastError):
    code, status, title = "not_found", 404, "Nothing is here"


class MethodNotAllowed(BallastError):
    code, status, title = "method_not_allowed", 405, "The method is not offered here"


class RequestTimeout(BallastError):
    code, status, title = "request_timeout", 408, "The request body stopped coming"


class Conflict(BallastError):
    code, status, title = "conflict", 409, "Something else still needs it"


class PreconditionFailed(BallastError):
    code, status, title = "precondition_failed", 412, "A precondition does not hold"


class PayloadTooLarge(BallastError):
    code, status, title = "payload_too_large", 413, "The body has too many bytes"


class TooManyPixels(BallastError):
    code, status, title = "too_many_pixels", 413, "The picture has too many pixels"


class MemoryExceedsLimit(BallastError):
    code, status, title = "memory_exceeds_limit", 413, "This could never fit into the memory limit"


class UnsupportedMedia(BallastError):
    code, status, title = "unsupported_media", 415, "This type of media is not accepted"


class RangeNotSatisfiable(BallastError):
    code, status, title = "range_not_satisfiable", 416, "The range lies outside the content"


class InvalidMedia(BallastError):
    code, status, title = "invalid_media", 422, "The media is broken"


class InvalidParameter(BallastError):
    code, status, title = "invalid_parameter", 422, "A parameter is not valid"


class Locked(BallastError):
    code, status, title = "locked", 423, "Somebody else holds it"


class QueueFull(BallastError):
    code, status, title = "queue_full", 429, "The waiting line is full"


class ChecksumMismatch(BallastError):
    code, status, title = "checksum_mismatch", 460, "The checksum does not match"


class WorkerFailed(BallastError):
    code, status, title = "worker_failed", 500, "The worker failed on this input"


class InternalError(BallastError):
    code, status, title = "internal_error", 500, "Something went wrong on our side"


class Overloaded(BallastError):
    code, status, title = "overloaded", 503, "Memory is tight"


class ModelMissing(BallastError):
    code, status, title = "model_missing", 503, "The model file is not installed"


class ProcessingTimeout(BallastError):
    code, status, title = "processing_timeout", 504, "The work took too long"


class StorageUnavailable(BallastError):
    code, status, title = "storage_unavailable", 503, "The storage does not answer"


class StorageFull(BallastError):
    code, status, title = "storage_full", 507, "The storage is full"
