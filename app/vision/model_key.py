"""Which model, in which form: what one child is started with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.vision.task import VisionTask


@dataclass(frozen=True, slots=True)
class ModelKey:
    """Calls with equal keys may share a child. `asset` is the bundle, `params` the task's own, resolved.

    With the id of a `stream` it is that stream's tracker, in MediaPipe's VIDEO mode.
    """

    task: type[VisionTask]
    asset: Path
    params: Any
    stream: str = ""

    @property
    def owner(self) -> str:
        """Its name in the ledger."""
        return f"tracker:{self.task.name}" if self.stream else f"model:{self.task.name}"

    @property
    def size_name(self) -> str:
        """Under which its size is learned: parameters hardly change it."""
        return f"{self.owner}:{self.asset.name}"

    @property
    def declared_bytes(self) -> int:
        return self.task.tracker_bytes if self.stream else self.task.model_bytes

    @property
    def asset_bytes(self) -> int:
        """The size of its bundle, which is mapped; 0 where that cannot be told."""
        try:
            return self.asset.stat().st_size
        except OSError:
            return 0

    @property
    def is_tracker(self) -> bool:
        return bool(self.stream)

    def as_options(self) -> dict[str, Any]:
        """Return it as options of `engine.build`."""
        return {
            "task": self.task.name,
            "asset": str(self.asset),
            "params": asdict(self.params),
            "tracker": self.is_tracker,
        }

    def serves(self, other: ModelKey) -> bool:
        """Whether its answers hold what a call for `other` asks for: of its own task, or of one that it serves too."""
        if self.is_tracker or other.is_tracker:
            return False
        return self.task.name == other.task.served_by and asdict(self.params) == asdict(other.params)
