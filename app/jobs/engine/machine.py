"""The name of this service for a database that several share: made once, and kept below the root."""

from __future__ import annotations

import secrets
from pathlib import Path

from app.storage.files import make_folder, replace


def machine_name(folder: Path) -> str:
    """Return the name that is kept in a folder; runs in a thread.

    Two services that live at a time must not have the same: DBOS would take what one does for what the other left.

    Raises:
        OSError: it can be neither read nor written.
    """
    path = folder / "machine"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        make_folder(folder, synced=False)
        name = secrets.token_hex(8)
        replace(path, name.encode(), path.with_name("machine.new"), True)
        return name
