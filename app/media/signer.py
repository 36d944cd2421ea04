"""Signed URLs: `?expires&sig` lets whoever has the URL see one item until a time, without a key.

So `<img>`, `<video>` and EventSource, which send no key, work where keys are set. The signature is HMAC-SHA256 over the
item's path and the time; it is valid for GET and HEAD of the item's bytes (and of a job's events) and for nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from pathlib import Path

from app.errors import Forbidden

_MIN_SECRET_CHARACTERS = 32
_SUBJECT = re.compile(r"(/v1/media/[a-z0-9]+)/(?:content|image)|(/v1/jobs/[A-Za-z0-9-]+)/events")
_EXPIRES = re.compile(r"[0-9]{1,12}")


class UrlSigner:
    """Signs URLs with the first secret and accepts what any of them has signed."""

    def __init__(
        self, secrets_in_use: Sequence[str], lifetime_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets_in_use)
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock

    def sign(self, path: str) -> str:
        """Return `path` with its query, valid for the lifetime and up to a tenth of it more.

        The time is rounded, so that an item keeps its URL for a while and a browser finds it in its cache.

        Raises:
            ValueError: URLs of this kind are not signed.
        """
        step = max(1, int(self._lifetime_seconds / 10))
        expires = str((int(self._clock() + self._lifetime_seconds) // step + 1) * step)
        return f"{path}?expires={expires}&sig={_signature(self._secrets[0], _subject(path), expires)}"

    def check(self, path: str, expires: str, signature: str) -> None:
        """Make sure that a signature was made here, for this item, and has not expired.

        Raises:
            Forbidden: it is not.
        """
        try:
            subject = _subject(path)
        except ValueError:
            raise Forbidden("A signed URL is valid for the bytes of its item only.") from None
        given = signature.encode()
        # Every secret is tried, in constant time, so that the time does not tell which one came close.
        matches = [hmac.compare_digest(given, _signature(one, subject, expires).encode()) for one in self._secrets]
        if True not in matches or _EXPIRES.fullmatch(expires) is None:
            raise Forbidden("The signature of this URL is not valid.")
        if int(expires) <= self._clock():
            raise Forbidden("This URL has expired. Ask for the item again to get a new one.")


def read_secret(path: Path) -> str:
    """Return the secret of this storage root; made at the first start (mode 0600), so that URLs outlive a restart.

    Raises:
        OSError: it can be neither read nor written.
    """
    try:
        secret = path.read_text().strip()
    except FileNotFoundError:
        secret = ""
    if len(secret) >= _MIN_SECRET_CHARACTERS:
        return secret
    secret = secrets.token_urlsafe(32)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(secret)
    draft.replace(path)
    return secret


def _subject(path: str) -> str:
    match = _SUBJECT.fullmatch(path)
    if match is None:
        raise ValueError(f"{path} is not a URL that is signed")
    return match[1] or match[2]


def _signature(secret: bytes, subject: str, expires: str) -> str:
    digest = hmac.digest(secret, f"{subject}\n{expires}".encode(), hashlib.sha256)
    return urlsafe_b64encode(digest).decode().rstrip("=")
