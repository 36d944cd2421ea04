from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.disposition import content_disposition


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [("image/jpeg", "inline"), ("video/mp4", "inline"), ("image/svg+xml", "attachment"), ("text/html", "attachment")],
)
def test_only_what_a_browser_can_only_show_is_inline(content_type: str, kind: str) -> None:
    assert content_disposition(content_type, "a.b") == f'{kind}; filename="a.b"'


def test_a_name_beyond_ascii_is_given_twice() -> None:
    header = content_disposition("video/mp4", 'Fähre "1".mp4')

    assert header == "inline; filename=\"F_hre _1_.mp4\"; filename*=UTF-8''F%C3%A4hre%20%221%22.mp4"


@given(st.text())
def test_no_name_breaks_the_header(name: str) -> None:
    header = content_disposition("video/mp4", name)

    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
