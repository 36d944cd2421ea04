"""What does not go with the machine: a limit that is the control group's, or the machine's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.contradictions import find_contradictions
from app.domain.units import GIB, MIB
from app.memory.limit import LimitSource, MemoryLimit
from app.settings import Settings
from tests.conftest import MODELS_FOLDER


def limit(nbytes: int, source: LimitSource = "cgroup2") -> MemoryLimit:
    return MemoryLimit(nbytes, source, 8 * GIB)


def settings(**sections: dict[str, Any]) -> Settings:
    return Settings.model_validate({"models": {"dir": MODELS_FOLDER}, **sections})


def told(settings: Settings, limit: MemoryLimit) -> list[tuple[bool, str]]:
    return [(one.refused, one.sentence) for one in find_contradictions(settings, limit)]


def test_an_inline_limit_above_the_control_groups_limit_is_refused_and_named() -> None:
    ((refused, sentence),) = told(settings(upload={"inline_max_bytes": "1G"}), limit(300 * MIB))

    assert refused
    assert sentence == (
        "BALLAST_UPLOAD__INLINE_MAX_BYTES (1,024 MiB) is above the memory limit (300 MiB, of the control group (v2))"
    )


def test_where_the_limit_is_too_small_nothing_else_is_blamed() -> None:
    ((refused, sentence),) = told(settings(), limit(48 * MIB))

    assert refused
    assert sentence.startswith("the memory limit (48 MiB, of the control group (v2)) is too small")


@pytest.mark.parametrize(
    ("source", "words"), [("cgroup2", "the control group's"), ("setting", "the memory of this machine")]
)
def test_a_limit_that_something_smaller_replaces_is_warned_of(source: LimitSource, words: str) -> None:
    ((refused, sentence),) = told(settings(memory={"limit": "16G"}), limit(2 * GIB, source))

    assert not refused
    assert sentence == f"BALLAST_MEMORY__LIMIT (16,384 MiB) is above {words} (2,048 MiB), which counts"


def test_models_in_the_place_of_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "models").touch()

    ((refused, sentence),) = told(settings(models={"dir": tmp_path / "models"}), limit(GIB))

    assert refused
    assert "BALLAST_MODELS__DIR" in sentence


def test_a_folder_without_a_model_is_warned_of(tmp_path: Path) -> None:
    ((refused, sentence),) = told(settings(models={"dir": tmp_path}), limit(GIB))

    assert not refused
    assert "no model" in sentence


@pytest.mark.parametrize(("keys", "count"), [("a-key-of-16-chars", 0), ("short", 1), ("a-key-of-16-chars,k", 1)])
def test_a_key_that_can_be_guessed_is_warned_of_and_not_told(keys: str, count: int) -> None:
    found = told(settings(server={"api_keys": keys}), limit(GIB))

    assert [refused for refused, _ in found] == [False] * count
    assert not any(f"{key} " in sentence for _, sentence in found for key in ("short", "`k`"))


@pytest.mark.model
def test_settings_that_go_with_the_machine_are_not_remarked_on() -> None:
    assert told(settings(), limit(512 * MIB)) == []


@pytest.mark.parametrize(("url", "count"), [("postgresql://db/ballast", 1), ("sqlite:////tmp/x", 0), (None, 0)])
def test_jobs_that_machines_share_without_their_media_are_warned_of(url: str | None, count: int) -> None:
    found = told(settings(jobs={"database_url": url}), limit(GIB))

    assert [refused for refused, _ in found] == [False] * count
    assert all("BALLAST_STORAGE__BACKEND=s3" in sentence for _, sentence in found)
