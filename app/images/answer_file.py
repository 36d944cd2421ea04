"""The file that a child writes its answer into: memory behind a descriptor, of a size that cannot change."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile


class AnswerFile:
    """Takes so many bytes and no more (memfd_create(2), sealed); closed at the end of the block unless it is kept.

    Pages are taken as they are written. Whoever is passed it can write beyond its end no more than grow it: what is
    reserved for an answer is all that it can take. Elsewhere than on Linux it is an unnamed temporary file.
    """

    def __init__(self, most_bytes: int) -> None:
        """Raises:
        OSError: there is no memory, or no descriptor, for it.
        """
        self.descriptor = _sealed(most_bytes) if sys.platform.startswith("linux") else _unnamed()

    def keep(self) -> int:
        """Return the descriptor, which is the caller's from now on."""
        kept, self.descriptor = self.descriptor, -1
        return kept

    def __enter__(self) -> AnswerFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)


def _sealed(most_bytes: int) -> int:
    descriptor = os.memfd_create("answer", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, most_bytes)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _unnamed() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
