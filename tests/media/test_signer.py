from __future__ import annotations

import hashlib
import hmac
import stat
from base64 import urlsafe_b64encode
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Forbidden
from app.media.signer import UrlSigner, read_secret

PATH = "/v1/media/vabc/content"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


Pairs = list[tuple[str, str]]


def parts(url: str) -> tuple[str, Pairs]:
    split = urlsplit(url)
    return split.path, parse_qsl(split.query, keep_blank_values=True)


def changed(pairs: Pairs, name: str, value: str) -> Pairs:
    return [(key, value if key == name else before) for key, before in pairs]


def is_good(signer: UrlSigner, path: str, pairs: Pairs) -> bool:
    try:
        signer.check(path, pairs)
    except Forbidden:
        return False
    return True


def test_a_signature_is_good_until_it_expires() -> None:
    clock = Clock()
    signer = UrlSigner(["one"], 100, clock)
    path, pairs = parts(signer.sign(PATH))

    expires_at = signer.check(path, pairs)
    clock.now += 100
    signer.check(path, pairs)
    clock.now += 11

    assert 1_800_000_100 < expires_at <= 1_800_000_110
    with pytest.raises(Forbidden, match="expired"):
        signer.check(path, pairs)


def test_a_url_stays_the_same_for_a_while() -> None:
    clock = Clock()
    signer = UrlSigner(["one"], 1000, clock)

    first = signer.sign(PATH)
    clock.now += 50

    assert signer.sign(PATH) == first


@pytest.mark.parametrize("path", [PATH, "/v1/media/vabc/image", "/v1/jobs/a-B1/events"])
def test_it_is_good_for_one_address_only(path: str) -> None:
    signer = UrlSigner(["one"], 100, Clock())
    _, pairs = parts(signer.sign(path))
    others = {
        "/v1/media/vabc/content", "/v1/media/vabc/image", "/v1/jobs/a-B1/events", "/v1/media/vabd/content",
        "/v1/media/vabc", "/v1/media", "/v1/limits", f"{path}/", f"/{path}",
    } - {path}  # fmt: skip

    assert is_good(signer, path, pairs)
    assert [other for other in others if is_good(signer, other, pairs)] == []


def test_nothing_can_be_changed() -> None:
    signer = UrlSigner(["one"], 100, Clock())
    path, pairs = parts(signer.sign(PATH))
    expires, signature = dict(pairs)["expires"], dict(pairs)["sig"]

    for value in (str(int(expires) + 1), "", "9" * 13, f" {expires}", f"{expires}.0"):
        assert not is_good(signer, path, changed(pairs, "expires", value))
    for value in (signature[:-1], signature + "A", "", "\u00fc", signature.lower()):
        assert not is_good(signer, path, changed(pairs, "sig", value))
    for more in (("redirect", "true"), ("", ""), ("expires", expires), ("sig", signature), ("width", "1")):
        assert not is_good(signer, path, [*pairs, more])
        assert not is_good(signer, path, [more, *pairs])
    assert not is_good(signer, path, pairs[:1])
    assert not is_good(signer, path, pairs[1:])


def test_parameters_are_signed_with_their_values() -> None:
    signer = UrlSigner(["one"], 100, Clock())
    path, pairs = parts(signer.sign("/v1/media/vabc/image", [("width", "10"), ("fit", "a b&c=d\u00fc"), ("x", "")]))

    assert pairs[:3] == [("width", "10"), ("fit", "a b&c=d\u00fc"), ("x", "")]
    assert is_good(signer, path, pairs)
    assert is_good(signer, path, pairs[::-1])
    for other in (changed(pairs, "width", "11"), changed(pairs, "x", "1"), pairs[1:], [*pairs, ("width", "10")]):
        assert not is_good(signer, path, other)


def test_of_parameters_with_one_name_the_order_is_signed_because_the_last_one_counts() -> None:
    signer = UrlSigner(["one"], 100, Clock())
    path, pairs = parts(signer.sign("/v1/media/vabc/image", [("width", "1"), ("width", "2")]))

    assert is_good(signer, path, pairs)
    assert not is_good(signer, path, [pairs[1], pairs[0], *pairs[2:]])


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=5), st.lists(st.tuples(st.text(), st.text())))
def test_what_is_signed_for_some_parameters_is_not_good_for_others(signed: Pairs, other: Pairs) -> None:
    signer = UrlSigner(["one"], 100, Clock())
    signed = [(f"p{name}", value) for name, value in signed]
    path, pairs = parts(signer.sign(PATH, signed))
    signature = pairs[len(signed) :]

    assert is_good(signer, path, pairs)
    assert is_good(signer, path, other + signature) == (sorted(other, key=first) == sorted(signed, key=first))


def first(pair: tuple[str, str]) -> str:
    return pair[0]


def test_a_plain_url_that_was_signed_before_parameters_were_is_good_until_it_expires() -> None:
    expires = "1800000050"
    digest = hmac.digest(b"one", f"/v1/media/vabc\n{expires}".encode(), hashlib.sha256)
    pairs = [("expires", expires), ("sig", urlsafe_b64encode(digest).decode().rstrip("="))]
    clock = Clock()
    signer = UrlSigner(["one"], 100, clock)

    assert is_good(signer, PATH, pairs)
    assert not is_good(signer, PATH, [("redirect", "true"), *pairs])
    assert not is_good(signer, "/v1/media/vabc/image", pairs)
    assert not is_good(signer, PATH, changed(pairs, "expires", "1800000051"))
    clock.now += 51
    assert not is_good(signer, PATH, pairs)


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
