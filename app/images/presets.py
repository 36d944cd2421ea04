"""Presets: names for parameters that a front end uses again and again (`BALLAST_IMAGE__PRESETS`)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from app.errors import InvalidParameter


class Presets:
    """Knows them by name; the parameters of each are those of a query."""

    def __init__(self, queries: Mapping[str, str]) -> None:
        """`queries`: the query string of each preset, by name."""
        self._presets = {name: dict(parse_qsl(query, keep_blank_values=True)) for name, query in queries.items()}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._presets)

    def applied(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters of a query with those of its preset, which they override, in place of its name.

        Raises:
            InvalidParameter: there is no such preset.
        """
        own = dict(values)
        name = own.pop("preset", None)
        if name is None:
            return own
        if name not in self._presets:
            known = ", ".join(self._presets) or "none"
            message = f"There is no such preset; there are: {known}."
            raise InvalidParameter(f"preset: {message}", errors=[{"where": ["query", "preset"], "message": message}])
        return {**self._presets[name], **own}
