"""Conditional requests (RFC 9110, section 13) for content that never changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.datastructures import Headers

from app.errors import PreconditionFailed


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one content from another: a strong entity tag (with its quotes), and when it was last modified."""

    etag: str
    modified_at: datetime

    @property
    def last_modified(self) -> str:
        return format_datetime(self.modified_at.astimezone(UTC), usegmt=True)

    def not_modified(self, headers: Headers) -> bool:
        """Whether the client has this content already, in the order of section 13.2.2.

        Raises:
            PreconditionFailed: the client wants other content than this (If-Match, If-Unmodified-Since).
        """
        self._check_wanted(headers)
        if (known := headers.get("if-none-match")) is not None:
            return self._is_listed(known, weak=True)
        since = _parse_date(headers.get("if-modified-since"))
        return since is not None and self._modified_second() <= since

    def range_is_wanted(self, headers: Headers) -> bool:
        """Whether a Range applies: If-Range names this content, or is absent (section 13.1.5)."""
        condition = headers.get("if-range")
        if condition is None:
            return True
        return condition.strip() in (self.etag, self.last_modified)

    def _check_wanted(self, headers: Headers) -> None:
        if (wanted := headers.get("if-match")) is not None:
            if not self._is_listed(wanted, weak=False):
                raise PreconditionFailed("The content has another ETag.")
            return
        until = _parse_date(headers.get("if-unmodified-since"))
        if until is not None and self._modified_second() > until:
            raise PreconditionFailed("The content is newer.")

    def _is_listed(self, field: str, *, weak: bool) -> bool:
        tags = [tag.strip() for tag in field.split(",")]
        if weak:
            tags = [tag.removeprefix("W/") for tag in tags]
        return "*" in tags or self.etag in tags

    def _modified_second(self) -> datetime:
        return self.modified_at.replace(microsecond=0)


def _parse_date(value: str | None) -> datetime | None:
    """Read an HTTP date; None where it is absent, or invalid and so to be ignored (section 13.1.3)."""
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # OverflowError: a number, such as the zone's, that no C integer holds
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
