"""A sheet of what each parameter of images does to one photo, made by the running service.

    python -m benchmarks.image_sheet [docs/images-sheet.webp]

Its ground is a mid grey-blue and its words are white on dark labels, so that it reads on light and on dark pages.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image, ImageDraw, ImageFont

from benchmarks.client import Client
from benchmarks.media import find_media
from benchmarks.server import run_service

_COLUMNS, _CELL, _LABEL, _GAP = 6, (176, 176), 22, 8
_GROUND, _PLATE, _INK, _CHECK = (120, 128, 140), (28, 32, 38), (255, 255, 255), (140, 148, 160)
_QUALITY = 78

WISHES: tuple[tuple[str, dict[str, str]], ...] = (
    ("as it is", {}),
    ("crop=15%,0,50%,50%", {"crop": "15%,0,50%,50%"}),
    ("rotate=90", {"rotate": "90"}),
    ("flip=horizontal", {"flip": "horizontal"}),
    ("fit=inside", {"width": "176", "height": "110"}),
    ("fit=cover", {"width": "176", "height": "110", "fit": "cover"}),
    ("fit=contain", {"width": "176", "height": "110", "fit": "contain", "background": "e9c46a"}),
    ("fit=fill", {"width": "176", "height": "110", "fit": "fill"}),
    ("gravity=north", {"width": "176", "height": "90", "fit": "cover", "gravity": "north"}),
    ("gravity=smart", {"width": "90", "height": "176", "fit": "cover", "gravity": "smart"}),
    ("gravity=faces", {"width": "90", "height": "90", "fit": "cover", "gravity": "faces", "crop": "0,0,100%,60%"}),
    ("anonymize (blur)", {"anonymize": "faces"}),
    ("…Style=pixelate", {"anonymize": "faces", "anonymizeStyle": "pixelate"}),
    ("…Style=solid", {"anonymize": "faces", "anonymizeStyle": "solid"}),
    ("…Style=oval", {"anonymize": "faces", "anonymizeStyle": "oval"}),
    ("grayscale=true", {"grayscale": "true"}),
    ("brightness=1.5", {"brightness": "1.5"}),
    ("contrast=1.8", {"contrast": "1.8"}),
    ("saturation=2.5", {"saturation": "2.5"}),
    ("pixelate=12", {"pixelate": "12"}),
    ("blur=4", {"blur": "4"}),
    ("sharpen=2", {"sharpen": "2"}),
    ("watermark", {"watermark": "", "watermarkScale": "0.35"}),
    ("quality=5", {"format": "jpeg", "quality": "5"}),
)
"""Labels and queries; an empty `watermark` is that of the sheet."""


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images-sheet.webp")
    with run_service() as service, Client("127.0.0.1", service.port) as client:
        cells = list(_cells(client))
    sheet = _sheet(cells)
    sheet.save(target, "WEBP", quality=_QUALITY, method=6)
    print(f"{target}: {sheet.width}x{sheet.height}, {target.stat().st_size} bytes, {len(cells)} pictures")


def _cells(client: Client) -> Iterator[tuple[str, Image.Image]]:
    photo = find_media("astronaut.png").read_bytes()
    mark = client.post("/v1/media?inline=never", _mark()).json()["id"]
    for label, wish in WISHES:
        query = {"width": str(_CELL[0]), "height": str(_CELL[1]), "format": "png", **wish}
        if "watermark" in query:
            query["watermark"] = mark
        answer = client.post(f"/v1/images?{urlencode(query)}", photo)
        if answer.status != 200:
            raise SystemExit(f"{label}: {answer.status} {answer.body[:200]!r}")
        yield label, Image.open(io.BytesIO(answer.body)).convert("RGB")


def _mark() -> bytes:
    image = Image.new("RGBA", (220, 80), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((2, 2, 217, 77), 20, fill=(200, 40, 40, 255))
    draw.text((110, 40), "mark", fill=(255, 255, 255, 255), font=ImageFont.load_default(48), anchor="mm")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _sheet(cells: list[tuple[str, Image.Image]]) -> Image.Image:
    step = _CELL[0] + _GAP, _CELL[1] + _LABEL + _GAP
    rows = -(-len(cells) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * step[0] + _GAP, rows * step[1] + _GAP), _GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (label, image) in enumerate(cells):
        left, top = _GAP + number % _COLUMNS * step[0], _GAP + number // _COLUMNS * step[1]
        draw.rectangle((left, top, left + _CELL[0] - 1, top + _CELL[1] + _LABEL - 1), fill=_CHECK)
        draw.rectangle((left, top, left + _CELL[0] - 1, top + _LABEL - 1), fill=_PLATE)
        draw.text((left + 6, top + _LABEL // 2), label, fill=_INK, font=font, anchor="lm")
        corner = left + (_CELL[0] - image.width) // 2, top + _LABEL + (_CELL[1] - image.height) // 2
        sheet.paste(image, corner)
    return sheet


if __name__ == "__main__":
    main()
