"""One POST to a URL of a client's: a few lines of HTTP/1.1, because a library for it would be in memory for good."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import time

from app import __version__
from app.jobs.webhooks.addresses import Target

_MOST_HEAD_BYTES = 1024


def signature(secret: str, body: bytes, at: int) -> str:
    """Return the field `Ballast-Signature`: HMAC-SHA256 over the time (seconds since 1970), a dot, and the body."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


async def post(target: Target, body: bytes, secret: str, seconds: float) -> int:
    """Send a JSON document, and return the status of the answer. Redirects are not followed.

    Raises:
        OSError: there is no connection, or no answer that is HTTP.
        TimeoutError: it took longer than `seconds`.
    """
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(
            target.address, target.port, ssl=_tls(target), server_hostname=target.host if _is_tls(target) else None
        )
        try:
            writer.write(_head(target, body, secret) + body)
            await writer.drain()
            line = await reader.readline()
            parts = line[:_MOST_HEAD_BYTES].split(b" ", 2)
            if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
                raise ConnectionError("the receiver does not speak HTTP")
            return int(parts[1])
        except ValueError as error:  # a line without an end
            raise ConnectionError("the receiver does not speak HTTP") from error
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), 1.0)


def _head(target: Target, body: bytes, secret: str) -> bytes:
    fields = {
        "Host": target.authority,
        "User-Agent": f"Ballast/{__version__}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    if secret:
        fields["Ballast-Signature"] = signature(secret, body, int(time.time()))
    lines = [f"POST {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("ascii")


def _is_tls(target: Target) -> bool:
    return target.scheme == "https"


def _tls(target: Target) -> object:
    if not _is_tls(target):
        return None
    import ssl  # not at module level: for those who have such webhooks

    return ssl.create_default_context()
