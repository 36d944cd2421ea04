"""Settings: read from the environment, refused where they contradict each other, documented each."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.domain.units import GIB, KIB, MIB
from app.settings import ServerSettings, Settings, UploadSettings
from app.settings.values import parse_bytes
from app.settings.variables import environment_names, unread_variables
from app.storage.discovery import complete_settings
from tests.media_files import REPOSITORY

SETTINGS = list(environment_names(complete_settings()))

_FACTORS = {"": 1, "B": 1, "K": KIB, "M": MIB, "G": GIB, "T": 1024 * GIB}
_SUFFIXES = ["", "B", "iB", "b", "ib"]

NAMES = [
    "MEMORY__LIMIT", "STORAGE__ROOT", "STORAGE__QUOTA", "STORAGE__TTL_SECONDS", "STORAGE__FSYNC",
    "STORAGE__SHARED_PATHS", "UPLOAD__DIGEST", "UPLOAD__MAX_BYTES", "UPLOAD__INLINE_MAX_BYTES",
    "UPLOAD__IDLE_SECONDS", "IMAGE__MAX_BYTES", "IMAGE__MAX_PIXELS", "IMAGE__PRESETS", "VISION__MAX_BYTES",
    "VISION__MAX_WIDTH", "VISION__MAX_HEIGHT", "VISION__IDLE_SECONDS", "VISION__WORKERS", "MODELS__DIR",
    "SERVER__HOST", "SERVER__PORT", "SERVER__API_KEYS", "SERVER__AUTH", "SERVER__ORIGINS", "SERVER__HOSTS",
    "SERVER__PROBE_PORT", "SERVER__MAX_CONNECTIONS", "JOBS__DATABASE_URL", "JOBS__RUN", "JOBS__MAX_QUEUED",
    "JOBS__KEEP_SECONDS", "JOBS__WEBHOOK_SECRET", "JOBS__WEBHOOK_PRIVATE", "VIDEO__MAX_SECONDS", "VIDEO__MAX_PIXELS",
    "VIDEO__MAX_FPS",
]  # fmt: skip
"""All settings that the wire contract names."""

CONTRACT = {
    "BALLAST_MEMORY__LIMIT": None,
    "BALLAST_STORAGE__ROOT": Path("var"),
    "BALLAST_STORAGE__QUOTA": None,
    "BALLAST_STORAGE__TTL_SECONDS": 0,
    "BALLAST_STORAGE__FSYNC": True,
    "BALLAST_STORAGE__SHARED_PATHS": False,
    "BALLAST_UPLOAD__DIGEST": "sha256",
    "BALLAST_UPLOAD__MAX_BYTES": 10 * GIB,
    "BALLAST_UPLOAD__INLINE_MAX_BYTES": 50 * MIB,
    "BALLAST_IMAGE__MAX_PIXELS": 50_000_000,
    "BALLAST_VISION__MAX_BYTES": 5 * MIB,
    "BALLAST_VISION__MAX_WIDTH": 640,
    "BALLAST_VISION__MAX_HEIGHT": 480,
    "BALLAST_VISION__IDLE_SECONDS": 300,
    "BALLAST_VISION__WORKERS": None,
    "BALLAST_SERVER__HOST": "127.0.0.1",
    "BALLAST_SERVER__PORT": 8000,
    "BALLAST_SERVER__PROBE_PORT": None,
    "BALLAST_SERVER__API_KEYS": (),
    "BALLAST_SERVER__AUTH": "on",
}
"""Names and defaults as the wire contract has them."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("BALLAST_")]:
        monkeypatch.delenv(name)


@given(st.integers(0, 4000), st.sampled_from(sorted(_FACTORS)), st.sampled_from(_SUFFIXES), st.booleans())
def test_a_size_is_its_number_times_its_unit(number: int, unit: str, suffix: str, lower: bool) -> None:
    text = f" {number} {unit}{'' if unit == 'B' else suffix} "

    assert parse_bytes(text.lower() if lower else text) == number * _FACTORS[unit]


@given(st.integers(0, 2**53))
def test_a_plain_number_is_that_many_bytes(number: int) -> None:
    assert parse_bytes(str(number)) == number
    assert parse_bytes(number) == number


@given(st.integers(0, 1000), st.integers(0, 3), st.sampled_from(["K", "M", "G"]))
def test_a_size_may_have_a_fraction(whole: int, quarters: int, unit: str) -> None:
    text = f"{whole}.{quarters * 25:02d}{unit}"

    assert parse_bytes(text) == (4 * whole + quarters) * _FACTORS[unit] // 4


@pytest.mark.parametrize("text", ["", "M", "-1M", "1e3", "10X", "1,5M", "nan", "inf", "1 2", "10MM", "0x10", "5%"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="300M"):
        parse_bytes(text)


@pytest.mark.parametrize(("name", "default"), CONTRACT.items())
def test_the_contract_holds(name: str, default: object) -> None:
    assert {variable: value for variable, _, value in SETTINGS}[name] == default


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_the_contract_is_known(name: str) -> None:
    assert f"BALLAST_{name}" in {variable for variable, _, _ in SETTINGS}


@pytest.mark.parametrize(("name", "description"), [(name, text) for name, text, _ in SETTINGS])
def test_every_setting_is_described_by_a_sentence(name: str, description: str) -> None:
    assert len(description) >= 15, name
    assert description.endswith("."), name
    assert description[0].isupper() or description.startswith(("off", "on", "best-effort")), name


@pytest.mark.parametrize(("name", "default"), [(name, value) for name, _, value in SETTINGS])
def test_every_setting_is_read_from_its_variable(name: str, default: object, monkeypatch: pytest.MonkeyPatch) -> None:
    text, expected = _another_value(name, default)
    if name == "BALLAST_SERVER__HOST":
        monkeypatch.setenv("BALLAST_SERVER__AUTH", "off")

    monkeypatch.setenv(name, text)

    value: object = complete_settings()()
    for member in name.removeprefix("BALLAST_").lower().split("__"):
        value = getattr(value, member)
    assert value == expected


def _another_value(name: str, default: object) -> tuple[str, object]:
    """Return another valid value of a setting: as text, and as it is read."""
    special: Mapping[str, tuple[str, object]] = {
        "BALLAST_STORAGE__QUOTA": ("3G", 3 * GIB),
        "BALLAST_MEMORY__LIMIT": ("300M", 300 * MIB),
        "BALLAST_UPLOAD__DIGEST": ("none", "none"),
        "BALLAST_SERVER__AUTH": ("off", "off"),
        "BALLAST_SERVER__MAX_CONNECTIONS": ("700", 700),
        "BALLAST_SERVER__TRUSTED_PROXIES": ("10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
        "BALLAST_LOG__LEVEL": ("debug", "debug"),
        "BALLAST_SERVER__ORIGINS": ("https://one.example, null", ("https://one.example", "null")),
        "BALLAST_STORAGE__S3_ENDPOINT": ("http://store:9000", "http://store:9000"),
        "BALLAST_STORAGE__S3_PUBLIC_ENDPOINT": ("https://store", "https://store"),
        "BALLAST_IMAGE__PRESETS": ("thumb:width=320", {"thumb": "width=320"}),
        "BALLAST_SANDBOX": ("best-effort", "best-effort"),
        "BALLAST_JOBS__DATABASE_URL": ("postgresql://db/ballast", "postgresql://db/ballast"),
        "BALLAST_VIDEO__FFMPEG": ("/opt/ffmpeg", Path("/opt/ffmpeg")),
        "BALLAST_VIDEO__FFPROBE": ("/opt/ffprobe", Path("/opt/ffprobe")),
    }
    if name in special:
        return special[name]
    if isinstance(default, bool):
        return str(not default).lower(), not default
    if isinstance(default, tuple):
        return "one, two", ("one", "two")
    if isinstance(default, float):
        return str(default + 0.01), default + 0.01
    if isinstance(default, int):
        return str(default + 1), default + 1
    if default is None:
        return "7", 7
    return "elsewhere", type(default)("elsewhere")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("memory", {"moderate_share": 0.9}),
        ("memory", {"high_share": 0.95}),
        ("memory", {"kill_share": 0.85}),
        ("memory", {"budget_share": 0}),
        ("memory", {"limit": 0}),
        ("memory", {"host_low": "100M", "host_critical": "200M"}),
        ("memory", {"limit": "-5M"}),
        ("upload", {"inline_max_bytes": "2G", "max_bytes": "1G"}),
        ("upload", {"digest": "md5"}),
        ("vision", {"max_width": 10}),
        ("vision", {"workers": 0}),
        ("server", {"port": 70_000}),
        ("server", {"host": "0.0.0.0"}),
        ("server", {"host": "example.org"}),
        ("server", {"origins": "*"}),
        ("server", {"origins": "https://*.example.org"}),
        ("server", {"origins": "localhost:3000"}),
        ("server", {"origins": "https://example.org/"}),
        ("server", {"hosts": "*"}),
        ("server", {"hosts": "https://example.org"}),
        ("server", {"port": 8000, "probe_port": 8000}),
        ("log", {"level": "loud"}),
        ("memory", {"no_such_setting": 1}),
    ],
)
def test_a_wrong_value_or_a_contradiction_is_refused(section: str, values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({section: values})


def test_one_setting_of_a_section_leaves_the_others_at_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALLAST_MEMORY__LIMIT", "300M")

    assert Settings().memory == Settings().memory.model_copy(update={"limit": 300 * MIB})


@pytest.mark.parametrize("origin", ["null", "http://localhost:3000", "https://app.example", "app://-", "file://"])
def test_an_origin_of_a_page_or_an_application_may_be_listed(origin: str) -> None:
    assert ServerSettings(origins=(origin,)).origins == (origin,)


@pytest.mark.parametrize(("most", "inline"), [("1M", MIB), (60 * MIB, 50 * MIB), ("50M", 50 * MIB)])
def test_smaller_uploads_than_the_default_inline_limit_are_all_inline(most: object, inline: int) -> None:
    assert UploadSettings.model_validate({"max_bytes": most}).inline_max_bytes == inline


def test_settings_cannot_be_changed() -> None:
    settings = Settings()

    with pytest.raises(ValidationError):
        settings.server.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.server = ServerSettings()  # type: ignore[misc]


def test_empty_lists_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """docker compose passes variables that are not set as empty ones."""
    monkeypatch.setenv("BALLAST_SERVER__ORIGINS", "")
    monkeypatch.setenv("BALLAST_SERVER__API_KEYS", " , ")

    assert (Settings().server.origins, Settings().server.api_keys) == ((), ())


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("example.org", False),
    ],
)
def test_only_this_machine_reaches_a_loopback_listener(host: str, loopback: bool) -> None:
    assert ServerSettings(host=host, auth="off").loopback == loopback


def test_keys_do_not_stand_in_what_may_be_logged() -> None:
    settings = Settings.model_validate({"server": {"api_keys": "hush-hush"}})

    assert "hush-hush" not in f"{settings!r} {settings}"


def test_unread_variables_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALLAST_SERVR__PORT", "1")
    monkeypatch.setenv("BALLAST_PORT", "1")
    monkeypatch.setenv("BALLAST_SERVER__PORT", "8001")
    monkeypatch.setenv("UNBALLAST_X", "1")

    assert unread_variables(complete_settings()) == [
        "no setting reads BALLAST_PORT: a typing error?",
        "no setting reads BALLAST_SERVR__PORT: a typing error?",
    ]


def test_the_settings_page_is_what_its_script_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "scripts.settings_table"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    page = (REPOSITORY / "docs" / "settings.md").read_text()

    assert page == printed.stdout, "run: python -m scripts.settings_table > docs/settings.md"
    assert all(f"`{name}`" in page for name, _, _ in SETTINGS)
