"""What was asked of the object store: how often, how long it took, and how often it failed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from app.domain.histogram import Histogram

logger = logging.getLogger("ballast.storage")

VERBS = ("put", "get", "head", "list", "delete")


class ObjectTraffic:
    """Counts requests by verb; one that is repeated by the library counts once."""

    def __init__(self) -> None:
        self.seconds = {verb: Histogram() for verb in VERBS}
        self.errors = dict.fromkeys(VERBS, 0)

    @contextmanager
    def timed(self, verb: str) -> Iterator[None]:
        """Count one request, for the block. That something is not there is an answer, and no error."""
        began = perf_counter()
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception:
            self.errors[verb] += 1
            raise
        finally:
            seconds = perf_counter() - began
            self.seconds[verb].observe(seconds)
            logger.debug("object store: %s took %.3f s", verb, seconds)
