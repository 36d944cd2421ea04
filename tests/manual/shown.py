"""What a page shows as an answer, compared with the real one."""

from __future__ import annotations

import re
from typing import Any

_MORE = re.compile(r"\.\.\. (\d+) more")
_MEASURED = re.compile(
    r"(\w*Seconds|pressure|(working\w*|available|hostAvailable|reserved|resident|free|needed|peak|predicted)Bytes)"
)
"""Members that are another number each time."""


def differences(shown: Any, real: Any, where: str = "answer") -> list[str]:
    """Return where `real` is not what is shown: numbers are compared as precisely as they are shown, measured ones not.

    Members that are not shown may be there. A text that ends with "..." stands for any that begins so. A list may end
    with "... n more": it stands for n further elements.
    """
    match shown:
        case dict():
            missing = [f"{where}.{name} is missing" for name in shown if name not in real]
            inner = [differences(shown[name], real[name], f"{where}.{name}") for name in shown if name in real]
            return missing + [one for found in inner for one in found]
        case [*head, str(last)] if (rest := _MORE.fullmatch(last)) is not None:
            count = len(head) + int(rest[1])
            wrong_count = [f"{where} has {len(real)} elements, not {count}"] if len(real) != count else []
            return wrong_count + differences(head, real[: len(head)], where)
        case list():
            wrong_count = [f"{where} has {len(real)} elements, not {len(shown)}"] if len(real) != len(shown) else []
            inner = [
                differences(one, other, f"{where}[{n}]")
                for n, (one, other) in enumerate(zip(shown, real, strict=False))
            ]
            return wrong_count + [one for found in inner for one in found]
        case bool() | None:
            return [] if real is shown else [f"{where} is {real!r}, not {shown!r}"]
        case int() | float() if _MEASURED.fullmatch(where.rpartition(".")[2]):
            return [] if isinstance(real, int | float) and real >= 0 else [f"{where} is no number: {real}"]
        case float():
            digits = len(repr(shown).partition(".")[2])
            # One unit of the last place: another processor's arithmetic may round the other way.
            return [] if abs(real - shown) <= 1.5 * 10**-digits else [f"{where} is {real}, not {shown}"]
        case str() if shown.endswith("..."):
            return [] if str(real).startswith(shown[:-3]) else [f"{where} is {real!r}, not {shown!r}"]
        case _:
            return [] if real == shown else [f"{where} is {real!r}, not {shown!r}"]
