"""In which size a picture is looked at for its faces."""

from __future__ import annotations

import pytest

from app.domain.analysis_size import AnalysisSize
from app.images.face_look import look_size
from app.images.params import read_transform


@pytest.mark.parametrize(
    ("query", "side"),
    [
        ({"width": "800"}, 1600),  # twice as large as the answer shows it
        ({"height": "600"}, 1600),
        ({}, 4000),  # as it is, never enlarged
        ({"width": "3000"}, 4000),
        ({"width": "100"}, 640),
        ({"crop": "0,0,1000,750", "width": "500"}, 4000),  # a quarter of it, in half its size
        ({"crop": "0,0,2000,1500", "width": "500"}, 2000),
        ({"rotate": "90", "width": "600"}, 1600),
        ({"width": "400", "height": "400", "fit": "cover"}, 1067),
        ({"width": "400", "height": "400", "fit": "cover", "gravity": "smart"}, 1067),
        ({"width": "400", "height": "400", "fit": "cover", "gravity": "faces"}, 1067),
        ({"width": "400", "height": "600", "fit": "fill"}, 1600),
    ],
)
def test_what_is_hidden_is_looked_for_in_twice_the_size_of_the_answer(query: dict[str, str], side: int) -> None:
    box = look_size(read_transform({"anonymize": "faces", **query}), (4000, 3000))

    assert box.width == box.height == pytest.approx(side, abs=2)


def test_gravity_alone_is_content_with_less() -> None:
    transform = read_transform({"width": "2000", "height": "2000", "fit": "cover", "gravity": "faces"})

    assert look_size(transform, (4000, 3000)) == AnalysisSize(1024, 1024)
    assert look_size(transform, (500, 300)) == AnalysisSize(500, 500)
