"""The clients of an object store, made from settings: one for each kind of request, each with its own idea of slow.

A deadline for a whole transfer would be one for its size. What counts is whether it makes progress: a download ends
when nothing came for so long, an upload when the store answers nothing else for so long either (`StoreWatch`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore.store import S3Config

    from app.storage.backends.s3 import S3Settings

_CONNECT_SECONDS = 5

_PARTS_TIMES = 11
"""How many times as long as nothing may come in a download, one part may take on its way up: 5 MiB in 330 s are
16 kB/s. The library has one deadline for sending a part and for its answer."""


@dataclass(frozen=True, slots=True)
class ObjectClients:
    """`quick` asks for little and is answered at once or not at all; `reading` and `sending` move the bytes of media.

    `public` makes links, for the address at which clients reach the store.
    """

    quick: S3Store
    reading: S3Store
    sending: S3Store
    public: S3Store

    @classmethod
    def of(cls, settings: S3Settings) -> ObjectClients:
        """Make them; nothing is reached yet.

        Raises:
            Exception: the library has many for a wrong URL, region or prefix.
        """
        seconds = settings.s3_stalled_seconds
        quick = _client(settings, {"timeout": _duration(seconds / 3)}, retries=2, retry_seconds=seconds * 2 / 3)
        reading = _client(settings, {"read_timeout": _duration(seconds)}, retries=1, retry_seconds=seconds)
        slowest = seconds * _PARTS_TIMES
        sending = _client(settings, {"read_timeout": _duration(slowest)}, retries=4, retry_seconds=slowest)
        public = settings.s3_public_endpoint
        return cls(quick, reading, sending, _client(settings, {}, 0, 0, public) if public else quick)


def _client(
    settings: S3Settings, limits: dict[str, str], retries: int, retry_seconds: float, endpoint: str | None = None
) -> S3Store:
    endpoint = settings.s3_endpoint if endpoint is None else endpoint
    address = urlsplit(endpoint)
    if endpoint and (address.scheme not in ("http", "https") or not address.hostname):
        raise ValueError(f"{endpoint!r} is not the URL of a server (http://host:port)")
    config: S3Config = {"region": settings.s3_region}
    if endpoint:
        config["endpoint"] = endpoint
    if settings.s3_access_key:
        config["access_key_id"] = settings.s3_access_key.get_secret_value()
        config["secret_access_key"] = settings.s3_secret_key.get_secret_value()
    options: Any = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": f"{_CONNECT_SECONDS}s",
        "timeout": "1d",  # a slow client may take an hour over one object
        "pool_max_idle_per_host": "4",
        **limits,
    }
    return S3Store(
        settings.s3_bucket,
        prefix=settings.s3_prefix.strip("/") or None,
        config=config,
        client_options=options,
        retry_config={"max_retries": retries, "retry_timeout": timedelta(seconds=retry_seconds)},
    )


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
