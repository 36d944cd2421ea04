"""The tables for those who come from other services: each of our lines is sent, and every parameter has one."""

from __future__ import annotations

import io
import re
from urllib.parse import parse_qsl

import httpx
import pytest
from PIL import Image

from app.images.params import query_model
from tests.e2e.server import RunningServer
from tests.media_files import REPOSITORY, photo

pytestmark = [pytest.mark.photo, pytest.mark.model("blaze_face_short_range.tflite"), pytest.mark.timeout(200)]

PAGE = (REPOSITORY / "docs" / "from-other-services.md").read_text()
ROW = re.compile(r"^\| (`.+) \| `([^`]+)` \| ([^|]*)\|$", re.MULTILINE)


def rows() -> list[tuple[str, str]]:
    """Return the lines of the three tables: what they write, and our query."""
    tables = PAGE.partition("## imgproxy")[2]
    found = [(theirs, ours) for theirs, ours, _ in ROW.findall(tables)]
    assert len(found) == sum(line.startswith("| `") for line in tables.splitlines())
    return found


def expected(query: dict[str, str]) -> tuple[int, int]:
    """Return the size that a photo of 640 x 521 gets by the words of the contract, worked out anew."""
    width, height = 640.0, 521.0
    if "crop" in query:
        sides = [part.partition("%") for part in query["crop"].split(",")]
        whole = (width, height, width, height)
        _, _, width, height = (
            float(number) * (side / 100 if sign else 1) for (number, sign, _), side in zip(sides, whole, strict=True)
        )
    if query.get("rotate") in ("90", "270"):
        width, height = height, width
    ratio = float(query.get("dpr", "1"))
    box = [float(query[side]) * ratio if side in query else None for side in ("width", "height")]
    if query.get("fit") in ("cover", "contain", "fill"):
        assert box[0] is not None
        assert box[1] is not None
        return round(box[0]), round(box[1])
    scales = [side / own for side, own in zip(box, (width, height), strict=True) if side is not None]
    scale = min(scales, default=1.0)
    scale = scale if query.get("enlarge") == "true" else min(1.0, scale)
    return int(width * scale + 0.5), int(height * scale + 0.5)


def test_every_line_of_ours_gives_the_picture_that_it_says(server: RunningServer) -> None:
    body, wrong = photo("thumb_up.jpg").read(), []
    with httpx.Client(base_url=server.url, timeout=90) as client:
        mark = client.post("/v1/media?inline=never", content=body).json()["id"]
        for theirs, ours in dict.fromkeys(rows()):
            answer = client.post(f"/v1/images?{ours.replace('{mark}', mark)}", content=body)
            size = _size(answer) if answer.status_code == 200 else answer.text
            if size != expected(dict(parse_qsl(ours))):
                wrong.append((theirs, ours, size))

    assert wrong == []


def _size(answer: httpx.Response) -> tuple[int, int]:
    with Image.open(io.BytesIO(answer.content)) as picture:
        return picture.size


def test_every_parameter_that_there_is_stands_in_a_line() -> None:
    used = {name for _, ours in rows() for name, _ in parse_qsl(ours)}
    there = {str(field.alias) for field in query_model().model_fields.values()}

    assert used == there


def test_a_wrong_line_would_be_seen(server: RunningServer) -> None:
    with server.client() as client:
        answer = client.post("/v1/images?fit=crop", content=photo("thumb_up.jpg").read())

    assert answer.status_code == 422
