"""Where the cache's files lie below its folder.

<two characters>/<media id>/<source>-<name>                   what was made from an item
<two characters>/<media id>/see-<media id>-<source>-<name>    empty: what is there was made of this item, too
"""

from __future__ import annotations

import zlib
from pathlib import Path

from app.memory.cache import CacheKey

REFERENCE = "see-"


def subject_folder(root: Path, subject: str) -> Path:
    # Ids of one day begin alike; a folder of all of them would be slow to look through.
    return root / f"{zlib.crc32(subject.encode()) & 0xFF:02x}" / subject


def path_of(root: Path, key: CacheKey) -> Path:
    return subject_folder(root, key.subject) / f"{key.source}-{key.name}"


def reference_of(root: Path, key: CacheKey) -> Path:
    """Return where the other item of a result refers to it."""
    return subject_folder(root, key.also) / f"{REFERENCE}{key.subject}-{key.source}-{key.name}"


def is_reference(name: str) -> bool:
    return name.startswith(REFERENCE)


def target_of(root: Path, reference: str) -> Path:
    """Return what a reference of this name stands for."""
    subject, _, name = reference.removeprefix(REFERENCE).partition("-")
    return subject_folder(root, subject) / name
