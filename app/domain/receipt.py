"""The memory receipt of one piece of work."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.pressure import ProcessingMode


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the work was predicted to take, what it took (None: not measured alone), and in which mode it was done.

    `reduced`: it did not fit into memory at full quality, and was done the cheaper way.
    """

    predicted_bytes: int
    peak_bytes: int | None
    mode: ProcessingMode
    reduced: bool = False
