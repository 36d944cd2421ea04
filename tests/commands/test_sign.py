"""`ballast sign`: what it prints is what the service accepts."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from app.__main__ import main
from app.errors import Forbidden
from app.media.signer import UrlSigner, read_secret

PICTURE = "/v1/media/i0000000000000000000000/image?width=320&format=webp"
SECRET = "s" * 32


def run(*arguments: str) -> int:
    return main(["sign", *arguments])


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BALLAST_STORAGE__ROOT", str(tmp_path))
    monkeypatch.setenv("BALLAST_SERVER__API_KEYS", "key")
    return tmp_path


def check(secret: str, url: str) -> int:
    parts = urlsplit(url)
    return UrlSigner([secret], 60).check(parts.path, parse_qsl(parts.query, keep_blank_values=True))


def test_a_url_is_signed_with_the_secret_of_the_storage_root(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(PICTURE)

    url = capsys.readouterr().out.strip()
    assert code == 0
    assert url.startswith(PICTURE)
    assert check(read_secret(root / "state" / "url_secret"), url) > time.time() + 86000


def test_configured_secrets_come_before_that(
    monkeypatch: pytest.MonkeyPatch, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BALLAST_SERVER__URL_SECRETS", f"{SECRET},old{SECRET}")

    run(PICTURE)

    assert check(SECRET, capsys.readouterr().out.strip())
    assert not (root / "state").exists()


def test_whole_addresses_keep_theirs_and_a_lifetime_can_be_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BALLAST_SERVER__URL_SECRETS", SECRET)

    run("--seconds", "60", f"https://media.example{PICTURE}", PICTURE)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"https://media.example{lines[1]}"
    assert check(SECRET, lines[1]) <= time.time() + 67


def test_what_was_signed_is_signed_anew_and_nothing_of_the_old_signature_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BALLAST_SERVER__URL_SECRETS", SECRET)

    run(f"{PICTURE}&expires=1&sig=old")

    url = capsys.readouterr().out.strip()
    assert "old" not in url
    assert check(SECRET, url)


def test_a_changed_parameter_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BALLAST_SERVER__URL_SECRETS", SECRET)

    run(PICTURE)

    with pytest.raises(Forbidden):
        check(SECRET, capsys.readouterr().out.strip().replace("width=320", "width=321"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["/v1/limits"], "/v1/limits is not a URL that is signed"),
        (["http://[::1/v1/media/iabc/image"], "Invalid IPv6 URL"),
        (["--seconds", "0", PICTURE], "--seconds must be between"),
    ],
)
def test_what_cannot_be_signed_is_refused_with_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(*arguments)

    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert sentence in captured.err


def test_without_keys_there_is_nothing_to_sign(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BALLAST_SERVER__API_KEYS")

    code = run(PICTURE)

    assert code == 2
    assert "no keys are set" in capsys.readouterr().err
