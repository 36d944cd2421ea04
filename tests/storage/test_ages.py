"""Ages over restarts: what is counted, and what a file of another time or of nobody's making is worth."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.storage.ages import Age, Ages

_FOLDERS = [HealthCheck.function_scoped_fixture]


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def boot(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_text(f"{name}\n")
    return path


_IDS = st.from_regex(r"[0-9a-f]{32}", fullmatch=True)


@settings(suppress_health_check=_FOLDERS)
@given(st.dictionaries(_IDS, st.tuples(st.floats(0, 1e9), st.integers(0, 2**50))), st.floats(0, 1e6))
def test_in_the_same_boot_the_time_in_between_is_added(
    tmp_path: Path, kept: dict[str, tuple[float, int]], down_seconds: float
) -> None:
    clock, path = Clock(), tmp_path / "state" / "ages.json"
    Ages(path, clock, boot(tmp_path, "one")).write({name: Age(*age) for name, age in kept.items()})

    clock.seconds += down_seconds
    found = Ages(path, clock, boot(tmp_path, "one")).read()

    assert {name: age.size_bytes for name, age in found.items()} == {name: size for name, (_, size) in kept.items()}
    for name, (seconds, _) in kept.items():
        assert found[name].seconds == pytest.approx(seconds + down_seconds)


@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_after_another_boot_only_what_was_counted_is_known(tmp_path: Path, clock: Clock, seconds: float) -> None:
    path = tmp_path / "ages.json"
    Ages(path, clock, boot(tmp_path, "one")).write({"a": Age(50.0, 7)})

    clock.seconds = seconds

    assert Ages(path, clock, boot(tmp_path, "two")).read() == {"a": Age(50.0, 7)}


def test_a_clock_that_went_back_makes_nothing_younger(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "ages.json"
    Ages(path, clock, boot(tmp_path, "one")).write({"a": Age(50.0, 7)})

    clock.seconds -= 99

    assert Ages(path, clock, boot(tmp_path, "one")).read() == {"a": Age(50.0, 7)}


def test_where_boots_have_no_names_the_time_in_between_is_not_known(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "ages.json"
    Ages(path, clock, tmp_path / "nothing").write({"a": Age(50.0, 7)})

    clock.seconds += 1000

    assert Ages(path, clock, tmp_path / "nothing").read() == {"a": Age(50.0, 7)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"boot": "one", "clock": 1}',
        '{"boot": "one", "clock": 1, "ages": {"a": [-1, 0]}}',
        '{"boot": "one", "clock": 1, "ages": {"a": [1, -1]}}',
        '{"boot": "one", "clock": NaN, "ages": {}}',
        '{"boot": "one", "clock": 1, "ages": {"a": [Infinity, 0]}}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_broken_is_worth_nothing_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "ages.json"
    path.write_text(text)

    assert Ages(path).read() == {}
    assert "cannot be read" in caplog.text


@settings(suppress_health_check=_FOLDERS)
@given(st.binary(max_size=200))
def test_whatever_is_in_the_file_is_read_or_passed_over(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "ages.json"
    path.write_bytes(data)

    assert isinstance(Ages(path).read(), dict)


def test_ages_that_cannot_be_kept_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")

    Ages(tmp_path / "state" / "ages.json").write({"a": Age(1.0, 1)})

    assert "cannot be kept" in caplog.text


def test_before_the_first_run_there_are_none(tmp_path: Path) -> None:
    assert Ages(tmp_path / "ages.json").read() == {}
