"""Settings: one frozen object, read once from `BALLAST_<SECTION>__<NAME>`; each room is given only its own section."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.domain.sandbox import SandboxPolicy
from app.settings.sections import (
    ImageSettings,
    JobsSettings,
    LogSettings,
    MemorySettings,
    ModelSettings,
    StorageSettings,
    UploadSettings,
    VideoSettings,
    VisionSettings,
)
from app.settings.server import ServerSettings

__all__ = [
    "ImageSettings",
    "JobsSettings",
    "LogSettings",
    "MemorySettings",
    "ModelSettings",
    "ServerSettings",
    "Settings",
    "StorageSettings",
    "UnusableSettings",
    "UploadSettings",
    "VideoSettings",
    "VisionSettings",
]


class UnusableSettings(RuntimeError):
    """A value that only a room can judge is wrong; the message is one sentence for whoever started the service."""


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
    jobs: JobsSettings = JobsSettings()
    video: VideoSettings = VideoSettings()
    models: ModelSettings = ModelSettings()
    server: ServerSettings = ServerSettings()
    log: LogSettings = LogSettings()
    sandbox: SandboxPolicy = Field("required", description="best-effort: children work though their sandbox has holes.")
