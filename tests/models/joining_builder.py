"""A builder as the manifest can name one: `python -m tests.models.joining_builder PART... OUTPUT`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    *parts, output = map(Path, sys.argv[1:])
    output.write_bytes(b"".join(part.read_bytes() for part in parts))
