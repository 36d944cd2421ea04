"""What every imaging child has in common: imported by their zygote, once, and shared by all that are forked from it.

Neither MediaPipe nor numpy is among it: the zygote of vision has those.
"""

from __future__ import annotations

from app.images import engine  # noqa: F401
from app.images.pipeline import OPERATIONS  # noqa: F401
from app.imaging import colour  # noqa: F401
from app.imaging.formats.jpeg import Jpeg
from app.imaging.formats.png import Png
from app.imaging.formats.webp import WebP

for picture_format in (Jpeg(), Png(), WebP()):  # what most pictures are
    picture_format.load_plugin()
