"""The official address of the model files.

It checks nothing but its own transport; `installer.py` checks the digest.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future
from http.client import HTTPException, HTTPResponse

_PIECE_BYTES = 256 * 1024

ProgressReport = Callable[[str, int, int], None]
"""Called with the name of what comes, the bytes so far and the bytes expected."""


class SourceError(Exception):
    """A source could not give the file; the message tells the person at the terminal why."""


class Unreachable(SourceError):
    """The host did not answer at all: asking it for another file would only cost the same wait again."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; it is not asked again, packages are used instead")


class OfficialAddress:
    """Files below one base URL.

    The wait for an answer is bounded as a whole (name look-up, every address of the host, TLS), which a socket timeout
    alone does not do. Once the host has been out of reach it is not asked again.
    """

    def __init__(
        self, base: str, progress: ProgressReport, *, connect_seconds: float = 5.0, read_seconds: float = 30.0
    ) -> None:
        self.host = urllib.parse.urlsplit(base).netloc
        self._base = base
        self._progress = progress
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._unreachable: Unreachable | None = None
        self._opener = urllib.request.build_opener()

    @property
    def reachable(self) -> bool:
        """Whether the host answered, or was not asked yet."""
        return self._unreachable is None

    def fetch(self, path: str, largest_bytes: int) -> bytes:
        """Download one file.

        Raises:
            Unreachable: no answer in time.
            SourceError: an error status, a broken transfer, or more than `largest_bytes`.
        """
        if self._unreachable is not None:
            raise self._unreachable
        try:
            with self._open(self._base + path) as response:
                return self._read(response, path.rpartition("/")[2], largest_bytes)
        except Unreachable as error:
            self._unreachable = error
            raise
        except (OSError, HTTPException) as error:
            raise SourceError(f"the transfer from {self.host} broke off: {error}") from error

    def _open(self, url: str) -> HTTPResponse:
        answer: Future[HTTPResponse] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._opener.open(url, timeout=self._read_seconds))
            except Exception as error:
                answer.set_exception(error)

        # A daemon: a name look-up cannot be cancelled and must not hold up the end of the program.
        threading.Thread(target=ask, name="official-address", daemon=True).start()
        try:
            return answer.result(self._connect_seconds)
        except urllib.error.HTTPError as error:
            error.close()
            raise SourceError(f"{self.host} answered {error.code} {error.reason}") from error
        except TimeoutError as error:
            raise Unreachable(f"{self.host} did not answer within {self._connect_seconds:g} s") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            text = getattr(reason, "strerror", None) or reason
            raise Unreachable(f"{self.host} cannot be reached: {text}") from error

    def _read(self, response: HTTPResponse, name: str, largest_bytes: int) -> bytes:
        expected = int(response.headers.get("Content-Length") or 0)
        content = bytearray()
        while piece := response.read(_PIECE_BYTES):
            content += piece
            if len(content) > largest_bytes:
                raise SourceError(f"{self.host} sends more than the {largest_bytes} bytes that {name} has")
            self._progress(name, len(content), expected or largest_bytes)
        if len(content) < expected:
            raise SourceError(f"the transfer from {self.host} ended after {len(content)} of {expected} bytes")
        return bytes(content)
