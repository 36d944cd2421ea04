from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from app.errors import Forbidden
from app.media.signer import UrlSigner, read_secret

PATH = "/v1/media/vabc/content"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def parts(url: str) -> tuple[str, str, str]:
    split = urlsplit(url)
    query = parse_qs(split.query)
    return split.path, query["expires"][0], query["sig"][0]


def test_a_signature_is_good_until_it_expires() -> None:
    clock = Clock()
    signer = UrlSigner(["one"], 100, clock)
    path, expires, signature = parts(signer.sign(PATH))

    signer.check(path, expires, signature)
    clock.now += 100
    signer.check(path, expires, signature)
    clock.now += 11

    with pytest.raises(Forbidden, match="expired"):
        signer.check(path, expires, signature)


def test_a_url_stays_the_same_for_a_while() -> None:
    clock = Clock()
    signer = UrlSigner(["one"], 1000, clock)

    first = signer.sign(PATH)
    clock.now += 50

    assert signer.sign(PATH) == first


def test_it_is_good_for_the_bytes_of_one_item_only() -> None:
    signer = UrlSigner(["one"], 100, Clock())
    _, expires, signature = parts(signer.sign(PATH))

    signer.check("/v1/media/vabc/image", expires, signature)
    for path in ("/v1/media/vabd/content", "/v1/media/vabc", "/v1/media", "/v1/jobs/vabc/events", "/v1/limits"):
        with pytest.raises(Forbidden):
            signer.check(path, expires, signature)


def test_nothing_can_be_changed() -> None:
    signer = UrlSigner(["one"], 100, Clock())
    path, expires, signature = parts(signer.sign(PATH))

    for changed in (str(int(expires) + 1), "", "9" * 13, f" {expires}", f"{expires}.0"):
        with pytest.raises(Forbidden):
            signer.check(path, changed, signature)
    for changed in (signature[:-1], signature + "A", "", "\u00fc", signature.lower()):
        with pytest.raises(Forbidden):
            signer.check(path, expires, changed)


def test_an_old_secret_is_accepted_and_the_first_signs() -> None:
    clock = Clock()
    before = parts(UrlSigner(["old"], 100, clock).sign(PATH))
    rotated = UrlSigner(["new", "old"], 100, clock)

    rotated.check(*before)
    UrlSigner(["new"], 100, clock).check(*parts(rotated.sign(PATH)))
    with pytest.raises(Forbidden):
        UrlSigner(["new"], 100, clock).check(*before)


def test_other_urls_are_not_signed() -> None:
    with pytest.raises(ValueError, match="not a URL that is signed"):
        UrlSigner(["one"], 100).sign("/v1/media/vabc")


def test_a_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "url_secret"

    first = read_secret(path)

    assert read_secret(path) == first
    assert len(first) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_secret(tmp_path / "other") != first


def test_a_damaged_secret_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "url_secret"
    path.write_text("")

    assert len(read_secret(path)) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
