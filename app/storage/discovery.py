"""Which storage back ends there are, and the settings with what each of them adds.

A back end is one file, so its settings are declared there and not in `app.settings`, which lies below storage and must
not know it. They are fields of a subclass of `StorageSettings`; `complete_settings` makes one section out of all these
subclasses. So the variables are `BALLAST_STORAGE__<NAME>` like the others, a misspelt one is refused (the section
forbids what it does not know), and types, defaults, descriptions and checks are pydantic's. As every back end is in it,
whichever is chosen, docs/settings.md and `/v1/limits` list all there is. Fields and validators begin with the name of
their back end, so that no two meet. Nothing is registered: to be in the folder is enough.
"""

from __future__ import annotations

from pydantic import create_model

from app.registry import discover, load
from app.settings import Settings, StorageSettings
from app.storage.filesystem import UnusableRoot
from app.storage.store import MediaStore

PACKAGE = "app.storage.backends"


def complete_settings() -> type[Settings]:
    """Return the type of the whole settings; to call it reads the environment.

    Raises:
        TypeError: a back end is not as it should be.
    """
    found = discover(PACKAGE, MediaStore).values()  # type: ignore[type-abstract]
    own = [backend.settings_type for backend in found if backend.settings_type is not StorageSettings]
    section = create_model("StorageSettings", __base__=tuple(own) or StorageSettings)
    return create_model("Settings", __base__=Settings, storage=(section, section()))


def find_backend(settings: StorageSettings) -> type[MediaStore]:
    """Return the back end that the settings name.

    Raises:
        UnusableRoot: there is no such back end.
    """
    try:
        return load(PACKAGE, settings.backend, MediaStore)  # type: ignore[type-abstract]
    except LookupError as error:
        raise UnusableRoot(f"BALLAST_STORAGE__BACKEND: {error}") from error
