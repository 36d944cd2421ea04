"""How a face is made unrecognisable, in pictures and in videos."""

from __future__ import annotations

from typing import Literal, TypeAlias

FaceStyle: TypeAlias = Literal["blur", "pixelate", "solid", "oval"]
