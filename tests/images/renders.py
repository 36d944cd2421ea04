"""Pictures rendered in this process, by the same code as in a child."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from app.domain.region import Region
from app.images.engine import Engine
from app.images.params import read_transform
from app.images.plan import RenderPlan, Wish, plans
from app.imaging.header import read_header
from app.settings import ImageSettings
from tests.imaging.pictures import encode, scene


@dataclass(frozen=True, slots=True)
class Rendered:
    head: dict[str, Any]
    data: bytes
    plan: RenderPlan

    @property
    def image(self) -> Image.Image:
        opened = Image.open(io.BytesIO(self.data))
        opened.load()
        return opened


def render(
    picture: bytes,
    faces: Sequence[Region] = (),
    *,
    accept: str = "",
    effort: float = 1.0,
    way: int = 0,
    settings: ImageSettings = ImageSettings(),  # noqa: B008 - frozen
    **query: Any,
) -> Rendered:
    """Render a picture as a query asks for it. `way`: 1 is the cheaper one."""
    wish = Wish(read_header(picture), len(picture), read_transform(_texts(query.items()), accept), tuple(faces))
    plan = plans(wish, effort, settings)[way]
    head = {**plan.as_head(settings, None), "peakBytes": plan.formula_bytes}
    descriptor = os.memfd_create("answer")
    try:
        told, _ = Engine().handle({**head, "descriptors": [descriptor]}, picture)
        return Rendered(told, os.pread(descriptor, told["sizeBytes"] + 1, 0), plan)
    finally:
        os.close(descriptor)


def png(image: Image.Image, **options: object) -> bytes:
    return encode(image, "png", **options)


def picture(width: int = 200, height: int = 140) -> bytes:
    return png(scene(width, height))


def quarters(width: int = 40, height: int = 20, alpha: int = 255) -> Image.Image:
    """Red and green above, blue and white below: what is where can be told after any turn."""
    image = Image.new("RGBA", (width, height), (255, 255, 255, alpha))
    half = (width // 2, height // 2)
    image.paste((255, 0, 0, alpha), (0, 0, *half))
    image.paste((0, 255, 0, alpha), (half[0], 0, width, half[1]))
    image.paste((0, 0, 255, alpha), (0, half[1], half[0], height))
    return image


def corners(image: Image.Image) -> str:
    """Return the colours of the four quarters, by their first letters: left and right above, then below."""
    rgb = image.convert("RGB")
    width, height = rgb.size
    points = ((1, 1), (3, 1), (1, 3), (3, 3))
    return "".join(_letter(rgb.getpixel((width * x // 4, height * y // 4))) for x, y in points)


def _letter(pixel: Any) -> str:
    red, green, blue = (value > 127 for value in pixel)
    return {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (1, 1, 1): "w", (0, 0, 0): "k"}.get((red, green, blue), "?")


def _texts(items: Iterable[tuple[str, object]]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in items}
