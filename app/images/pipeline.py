"""The one fixed order in which operations are applied, whatever the order of the parameters in a request."""

from __future__ import annotations

from app.images.operation import Framing, Operation, Painting, image_operations

ORDER = (
    "crop",
    "rotate",
    "flip",
    "resize",
    "anonymize",
    "color",
    "pixelate",
    "blur",
    "sharpen",
    "background",
    "watermark",
)
"""What is shown and how large comes first (`Framing`), then what changes pixels (`Painting`); `convert` comes last.

Faces are made unrecognisable before anything is laid over them, the frame of `fit=contain` (`background`) is drawn
after the filters, which would smear it, and the watermark stays sharp on top.
"""


def ordered() -> tuple[type[Operation], ...]:
    """Return all operations in their order.

    Raises:
        TypeError: one has no place in `ORDER`, or a `Framing` stands after a `Painting`.
    """
    found = image_operations()
    if homeless := found.keys() - set(ORDER):
        raise TypeError(f"no place in pipeline.ORDER: {', '.join(sorted(homeless))}")
    operations = tuple(found[name] for name in ORDER if name in found)
    kinds = [issubclass(operation, Painting) for operation in operations]
    if kinds != sorted(kinds):
        raise TypeError("a framing operation stands after a painting one")
    return operations


OPERATIONS = ordered()
FRAMINGS = tuple(operation for operation in OPERATIONS if issubclass(operation, Framing))
PAINTINGS = tuple(operation for operation in OPERATIONS if issubclass(operation, Painting))
