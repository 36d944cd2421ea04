"""Settings: one frozen object, read once from `BALLAST_<SECTION>__<NAME>`; each room is given only its own section."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.domain.sandbox import SandboxPolicy
from app.domain.units import GIB, KIB, MIB

_UNITS = {"": 1, "B": 1, "K": KIB, "M": MIB, "G": GIB, "T": 1024 * GIB}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)


def parse_bytes(value: object) -> object:
    """Read `300M`, `10GiB` or a plain number as bytes; every unit is a power of 1024, as Docker and cgroup read it."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("write a size as a number with an optional unit, such as 300M or 10GiB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(ge=0)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MemorySettings(Section):
    limit: Bytes | None = Field(
        None, gt=0, description="The memory limit of the whole process tree; unset: the cgroup's."
    )
    budget_share: Share = Field(0.85, description="The part of the limit that may be reserved.")
    moderate_share: Share = Field(0.70, description="Working set over limit from which the level is MODERATE.")
    high_share: Share = Field(0.80, description="Working set over limit from which the level is HIGH.")
    critical_share: Share = Field(0.90, description="Working set over limit from which the level is CRITICAL.")
    kill_share: Share = Field(0.95, description="Working set over limit at which a child is killed, an idle one first.")
    hysteresis_share: float = Field(0.03, ge=0, lt=0.2, description="How far below a threshold a level is left.")
    host_low: Bytes = Field(500 * MIB, description="Available memory of the host below which the level is HIGH.")
    host_critical: Bytes = Field(200 * MIB, description="Available memory of the host below which it is CRITICAL.")
    psi_some: float = Field(20.0, gt=0, le=100, description="PSI some avg10 (percent) that raises the level to HIGH.")
    sample_seconds: float = Field(1.0, gt=0, description="Sampling period at LOW.")
    fast_sample_seconds: float = Field(0.25, gt=0, description="Sampling period above LOW.")
    detail_seconds: float = Field(10.0, gt=0, description="Period of the expensive samples (USS).")
    cache: Bytes | None = Field(None, description="Bytes of the cache; unset: 4 % of the limit, at most 64 MiB.")
    wait_seconds: Seconds = Field(10.0, description="How long a request waits for bytes before it is shed.")
    max_waiting: int = Field(256, ge=1, description="How many requests may wait for bytes.")
    recycle_share: float = Field(
        0.0, ge=0, le=1, description="API resident memory over limit at which the API drains and exits 75; 0: never."
    )

    @model_validator(mode="after")
    def _thresholds_rise(self) -> MemorySettings:
        if not self.moderate_share < self.high_share < self.critical_share < self.kill_share:
            raise ValueError("the shares must rise: moderate < high < critical < kill")
        if self.host_critical > self.host_low:
            raise ValueError("host_critical is above host_low")
        return self


class StorageSettings(Section):
    """What every storage back end has. A back end adds its own settings in its file (`app.storage.discovery`)."""

    root: Path = Field(Path("var"), description="Where media, temporary files and state are kept.")
    quota: Bytes | None = Field(None, description="Bytes that stored media and temporary files may take in all.")
    free_floor: Bytes = Field(256 * MIB, description="Free space of the file system that is never touched.")
    ttl_seconds: Seconds = Field(0, description="Age at which a media item is removed; 0: never.")
    fsync: bool = Field(True, description="Sync a file and its folder before an upload is answered.")
    shared_paths: bool = Field(False, description="Answers carry the absolute filePath (front end on this machine).")
    allow_tmpfs: bool = Field(False, description="Accept a storage root on tmpfs, which is memory.")
    backend: str = Field("local", description="Where media is kept: local (below the root), or s3 (an object store).")


class UploadSettings(Section):
    max_bytes: Bytes = Field(10 * GIB, description="Size of the largest upload.")
    inline_max_bytes: Bytes = Field(50 * MIB, description="Size up to which an answer carries the bytes themselves.")
    idle_seconds: float = Field(30.0, gt=0, description="Time without a body byte after which an upload is dropped.")
    digest: Literal["sha256", "none"] = Field("sha256", description="Digest taken while the bytes come in.")
    expire_seconds: float = Field(86400.0, gt=0, description="Idle time after which a resumable upload is removed.")
    max_resumable: int = Field(1000, ge=1, description="Resumable uploads that may be unfinished at a time.")


class ImageSettings(Section):
    max_pixels: int = Field(50_000_000, gt=0, description="Decoded pixels x frames of one picture.")


class VisionSettings(Section):
    max_bytes: Bytes = Field(5 * MIB, description="Size of the largest picture or frame.")
    max_width: int = Field(640, ge=64, le=4096, description="Width at which pictures are analysed.")
    max_height: int = Field(480, ge=64, le=4096, description="Height at which pictures are analysed.")
    idle_seconds: float = Field(300.0, gt=0, description="Idle time after which a model is unloaded.")
    workers: int | None = Field(
        None, ge=1, le=64, description="Pictures of a task at a time; unset: one a core, within the quota."
    )
    deadline_seconds: float = Field(10.0, gt=0, description="Time after which an analysis is given up.")
    load_seconds: float = Field(30.0, gt=0, description="Time that starting a worker and loading a model may take.")
    stream_idle_seconds: float = Field(60.0, gt=0, description="Time without a message after which a stream closes.")
    max_streams: int = Field(64, ge=1, description="Streams that may be open at a time.")


class ModelSettings(Section):
    dir: Path = Field(Path("models"), description="Where the model bundles are.")


class ServerSettings(Section):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    probe_port: int | None = Field(None, ge=0, le=65535, description="A second listener with only health and metrics.")
    api_keys: Names = Field(
        (), repr=False, description="Accepted keys, comma separated.", json_schema_extra={"secret": True}
    )
    auth: Literal["on", "off"] = Field("on", description="off: listen on any address without keys.")
    hosts: Names = Field(
        ("localhost", "127.0.0.1", "[::1]"), description="Host names that are answered where no keys are set."
    )
    origins: Names = Field((), description="Origins allowed besides our own, comma separated.")
    max_connections: int = Field(512, ge=8, description="Connections held at a time.")
    header_seconds: float = Field(10.0, gt=0, description="Time that the head of a request may take to come.")
    drain_seconds: Seconds = Field(10.0, description="Time that open requests get at shutdown.")
    url_secrets: Names = Field(
        (),
        repr=False,
        description="Secrets of signed URLs, comma separated: the first signs, all are accepted; unset: made here.",
        json_schema_extra={"secret": True},
    )
    url_seconds: float = Field(86400.0, ge=1, description="Time for which a signed URL is good, at least.")

    @property
    def loopback(self) -> bool:
        """Whether the listener is reachable from this machine only."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @model_validator(mode="after")
    def _open_listeners_need_keys(self) -> ServerSettings:
        if not self.loopback and not self.api_keys and self.auth == "on":
            raise ValueError(
                f"{self.host} can be reached from other machines and no key is set: "
                "set BALLAST_SERVER__API_KEYS, or BALLAST_SERVER__AUTH=off if that is what you want"
            )
        return self


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line that is logged.")


class Settings(BaseSettings):
    """All settings of one service, but for what storage back ends add (`app.storage.discovery.complete_settings`).

    Raises:
        pydantic.ValidationError: a value is wrong, or two contradict each other.
    """

    model_config = SettingsConfigDict(
        env_prefix="BALLAST_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    memory: MemorySettings = MemorySettings()
    storage: StorageSettings = StorageSettings()
    upload: UploadSettings = UploadSettings()
    image: ImageSettings = ImageSettings()
    vision: VisionSettings = VisionSettings()
    models: ModelSettings = ModelSettings()
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
    sandbox: SandboxPolicy = Field("required", description="best-effort: children work though their sandbox has holes.")

    @model_validator(mode="after")
    def _sizes_fit(self) -> Settings:
        if self.upload.inline_max_bytes > self.upload.max_bytes:
            raise ValueError("upload.inline_max_bytes is above upload.max_bytes")
        if self.memory.limit is not None and self.upload.inline_max_bytes > self.memory.limit:
            raise ValueError("BALLAST_UPLOAD__INLINE_MAX_BYTES is above BALLAST_MEMORY__LIMIT")
        return self


def environment_names(settings: type[Settings]) -> Iterator[tuple[str, str, Any]]:
    """Yield (variable, description, default) of every setting."""
    for variable, field in _fields(settings):
        yield variable, field.description or "", field.default


def secret_variables(settings: type[Settings]) -> frozenset[str]:
    """Return the variables whose values are shown to nobody."""
    return frozenset(
        variable
        for variable, field in _fields(settings)
        if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("secret")
    )


def _fields(settings: type[Settings]) -> Iterator[tuple[str, FieldInfo]]:
    for section, field in settings.model_fields.items():
        model = field.annotation
        if not _is_section(model):
            yield f"BALLAST_{section}".upper(), field
            continue
        for name, inner in model.model_fields.items():
            yield f"BALLAST_{section}__{name}".upper(), inner


def _is_section(annotation: object) -> TypeGuard[type[Section]]:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def unknown_variables(settings: type[Settings]) -> list[str]:
    """Return the `BALLAST_*` variables of the environment that no setting reads: most often typing errors."""
    known = {name for name, _, _ in environment_names(settings)}
    return sorted(name for name in os.environ if name.startswith("BALLAST_") and name.upper() not in known)


def section_variables() -> list[str]:
    """Return the variables of the environment that would set a whole section, which cannot be written as text."""
    return sorted(name for name in os.environ if name.upper() in section_names())


def section_names() -> frozenset[str]:
    """Return what the variables of each section begin with."""
    fields = Settings.model_fields.items()
    return frozenset(f"BALLAST_{name}".upper() for name, field in fields if _is_section(field.annotation))
