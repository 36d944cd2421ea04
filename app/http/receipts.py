"""The memory receipt as a response header."""

from __future__ import annotations

from app.domain.receipt import Receipt

HEADER = "Ballast-Memory"


def receipt_headers(receipt: Receipt) -> dict[str, str]:
    """Return `Ballast-Memory: predicted=<bytes>, peak=<bytes>, mode=<MODE>`.

    `, reduced=true` follows where it was done the cheaper way. Where the peak was not measured on its own it is the
    bound that the work was held to, the prediction.
    """
    peak_bytes = receipt.predicted_bytes if receipt.peak_bytes is None else receipt.peak_bytes
    reduced = ", reduced=true" if receipt.reduced else ""
    return {HEADER: f"predicted={receipt.predicted_bytes}, peak={peak_bytes}, mode={receipt.mode}{reduced}"}
