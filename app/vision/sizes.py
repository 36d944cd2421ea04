"""How large children really were: learned on this machine, and kept over restarts."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from app.domain.units import GIB, MIB

logger = logging.getLogger("ballast.vision")

_FADING = 0.95
"""What is left of a learned size each time a child stays below it: one that swelled is forgotten again."""

_LEAST_BYTES, _MOST_BYTES = MIB, GIB


class LearnedSizes:
    """The resident bytes of children by the name of their model, in a small JSON file.

    What is learned replaces what a task declares, which was measured on another machine. A file that cannot be read
    or written costs nothing but the knowledge: it is logged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sizes: dict[str, int] = {}
        self._is_changed = False

    def read(self) -> None:
        """Take what an earlier run left; call it in a thread."""
        try:
            left = json.loads(self._path.read_bytes())
            self._sizes = {name: size for name, size in left.items() if _is_size(size)}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            logger.warning("the learned sizes cannot be read: %s", error)

    def write(self) -> None:
        """Keep what was learned since the last time; call it in a thread."""
        if not self._is_changed:
            return
        self._is_changed = False
        temporary = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._sizes, sort_keys=True))
            temporary.replace(self._path)
        except OSError as error:
            logger.warning("the learned sizes cannot be kept: %s", error)

    def expect(self, name: str, declared_bytes: int) -> int:
        """Return how many bytes a child will take: what was learned, else what is declared."""
        return self._sizes.get(name, declared_bytes)

    def learn(self, name: str, seen_bytes: int) -> None:
        """Take in what one child held when it had loaded its model."""
        size = max(seen_bytes, int(self._sizes.get(name, 0) * _FADING))
        if _is_size(size) and size != self._sizes.get(name):
            self._sizes[name] = size
            self._is_changed = True


def _is_size(value: object) -> bool:
    return type(value) is int and _LEAST_BYTES <= value <= _MOST_BYTES
