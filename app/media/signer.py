"""Signed URLs: `?expires&sig` lets whoever has the URL see one item until a time, without a key.

So `<img>`, `<video>` and EventSource, which send no key, work where keys are set. The signature is HMAC-SHA256 over the
path, every other parameter and the time; it is valid for GET and HEAD of this address as it stands and nothing else.
What a player takes one after the other, the playlists and segments below `hls/` of an item, is one thing: one signature
is good for all of it.
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
from typing import TypeAlias
from urllib.parse import urlencode

from app.errors import Forbidden
from app.settings import ServerSettings

_MIN_SECRET_CHARACTERS = 32
_STREAM = re.compile(r"(/v1/media/[a-z0-9]+/hls)/[a-z0-9/]{1,40}\.[a-z0-9]{1,4}")
_SIGNED = re.compile(rf"/v1/media/[a-z0-9]+/(?:content|image)|/v1/jobs/[A-Za-z0-9-]+/events|{_STREAM.pattern}")
_CONTENT = re.compile(r"(/v1/media/[a-z0-9]+)/content")
_NUMBER = re.compile(r"[0-9]{1,12}")
_EXPIRES, _SIGNATURE = "expires", "sig"

Pairs: TypeAlias = Sequence[tuple[str, str]]
"""Parameters of a query in their order, decoded."""


class UrlSigner:
    """Signs URLs with the first secret and accepts what any of them has signed."""

    def __init__(
        self, secrets_in_use: Sequence[str], lifetime_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets_in_use)
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock

    def sign(self, path: str, parameters: Pairs = ()) -> str:
        """Return `path` with its query, valid for the lifetime and up to a tenth of it more.

        The time is rounded, so that an item keeps its URL for a while and a browser finds it in its cache.

        Raises:
            ValueError: URLs of this kind are not signed.
        """
        step = max(1, int(self._lifetime_seconds / 10))
        return self.sign_until((int(self._clock() + self._lifetime_seconds) // step + 1) * step, path, parameters)

    def sign_until(self, expires_at: int, path: str, parameters: Pairs = ()) -> str:
        """Return `path` with its query, valid until a time (seconds since 1970).

        Raises:
            ValueError: URLs of this kind are not signed.
        """
        if _SIGNED.fullmatch(path) is None:
            raise ValueError(f"{path} is not a URL that is signed")
        expires = str(expires_at)
        signature = _signature(self._secrets[0], _message(path, parameters, expires))
        return f"{path}?{urlencode([*parameters, (_EXPIRES, expires), (_SIGNATURE, signature)])}"

    def check(self, path: str, parameters: Pairs) -> int:
        """Make sure that this address, with all its parameters, was signed here and has not expired.

        Returns the time at which it does (seconds since 1970).

        Raises:
            Forbidden: it was not, or it has.
        """
        if _SIGNED.fullmatch(path) is None:
            raise Forbidden("A signed URL is valid for the bytes of its item only.")
        others = [(name, value) for name, value in parameters if name not in (_EXPIRES, _SIGNATURE)]
        expires, given = _only(parameters, _EXPIRES), _only(parameters, _SIGNATURE)
        messages = [_message(path, others, expires)]
        if not others and (item := _CONTENT.fullmatch(path)) is not None:
            # As it was signed before parameters were: what was handed out then stays good until it expires.
            messages.append(f"{item[1]}\n{expires}")
        # Every secret is tried, in constant time, so that the time does not tell which one came close.
        matches = [
            hmac.compare_digest(given.encode(), _signature(secret, message).encode())
            for secret in self._secrets
            for message in messages
        ]
        if True not in matches or _NUMBER.fullmatch(expires) is None:
            raise Forbidden("The signature of this URL is not valid.")
        if int(expires) <= self._clock():
            raise Forbidden("This URL has expired. Ask for the item again to get a new one.")
        return int(expires)


def find_signer(settings: ServerSettings, root: Path, lifetime_seconds: float | None = None) -> UrlSigner:
    """Return the signer of the service with these settings and this storage root.

    Raises:
        OSError: its secret can be neither read nor written.
    """
    secrets_in_use = settings.url_secrets or (read_secret(root / "state" / "url_secret"),)
    return UrlSigner(secrets_in_use, settings.url_seconds if lifetime_seconds is None else lifetime_seconds)


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


def _message(path: str, parameters: Pairs, expires: str) -> str:
    """Return what is signed. Names are sorted; parameters of one name keep their order, because the last one counts."""
    query = urlencode(sorted(parameters, key=lambda pair: pair[0]))
    if (stream := _STREAM.fullmatch(path)) is not None:
        path = f"{stream[1]}/*"  # no file is called so
    return f"2\n{path}\n{query}\n{expires}"


def _only(parameters: Pairs, name: str) -> str:
    """Return the value of a parameter; empty, which is never valid, where it is not there exactly once."""
    values = [value for key, value in parameters if key == name]
    return values[0] if len(values) == 1 else ""


def _signature(secret: bytes, message: str) -> str:
    digest = hmac.digest(secret, message.encode(), hashlib.sha256)
    return urlsafe_b64encode(digest).decode().rstrip("=")
