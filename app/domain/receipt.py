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

    def then(self, other: Receipt) -> Receipt:
        """Return the receipt of this work and, after it was over, `other`: the larger of each number."""
        peaks = (self.peak_bytes, other.peak_bytes)
        return Receipt(
            max(self.predicted_bytes, other.predicted_bytes),
            None if None in peaks else max(peak for peak in peaks if peak is not None),
            other.mode,
            self.reduced or other.reduced,
        )
