"""The memory receipt as a response header."""

from __future__ import annotations

from app.domain.receipt import Receipt

HEADER = "Ballast-Memory"


def receipt_headers(receipt: Receipt) -> dict[str, str]:
    """Return `Ballast-Memory: predicted=<bytes>, peak=<bytes>, mode=<MODE>`; a peak that is not known is left out."""
    peak = "" if receipt.peak_bytes is None else f" peak={receipt.peak_bytes},"
    return {HEADER: f"predicted={receipt.predicted_bytes},{peak} mode={receipt.mode}"}
