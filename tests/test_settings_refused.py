"""What the operator sees when the settings are wrong: one clear line for each, and no secret in it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.media_files import REPOSITORY


def _check(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run `ballast serve --check` with these variables and no other of ours."""
    clean = {name: value for name, value in os.environ.items() if not name.upper().startswith("BALLAST_")}
    return subprocess.run(
        [sys.executable, "-m", "app", "serve", "--check"],
        cwd=REPOSITORY,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_an_open_listener_without_keys_is_refused_with_one_clear_line() -> None:
    outcome = _check(BALLAST_SERVER__HOST="0.0.0.0")

    assert outcome.returncode == 2
    assert len(outcome.stderr.splitlines()) == 1
    assert "BALLAST_SERVER__API_KEYS" in outcome.stderr
    assert "BALLAST_SERVER__AUTH=off" in outcome.stderr


@pytest.mark.parametrize("name", ["BALLAST_SERVER__API_KEYS", "BALLAST_SERVER__AUTH"])
def test_an_open_listener_with_keys_or_on_purpose_is_accepted(name: str) -> None:
    outcome = _check(BALLAST_SERVER__HOST="0.0.0.0", **{name: "off"})

    assert (outcome.returncode, outcome.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BALLAST_SERVER__PORT", "many"),
        ("BALLAST_MEMORY__LIMIT", "lots"),
        ("BALLAST_SERVER__PROT", "8001"),
        ("BALLAST_SANDBOX", "perhaps"),
    ],
)
def test_a_wrong_variable_is_named_in_one_line(name: str, value: str) -> None:
    outcome = _check(**{name: value}, BALLAST_SERVER__API_KEYS="hush-hush")

    assert outcome.returncode == 2
    assert len(outcome.stderr.splitlines()) == 1
    assert name in outcome.stderr
    assert "hush-hush" not in outcome.stderr


def test_an_inline_limit_above_the_memory_limit_is_refused_or_warned_of() -> None:
    outcome = _check(BALLAST_MEMORY__LIMIT="300M", BALLAST_UPLOAD__INLINE_MAX_BYTES="1G")

    assert "INLINE_MAX_BYTES" in outcome.stderr.upper()
    assert len(outcome.stderr.splitlines()) == 1


def test_what_is_only_warned_of_is_told_by_the_check_too() -> None:
    outcome = _check(BALLAST_SERVER__API_KEYS="k", BALLAST_JOB="1")

    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert [line for line in outcome.stdout.splitlines() if "BALLAST_SERVER__API_KEYS" in line and "guessed" in line]
    assert [line for line in outcome.stdout.splitlines() if "no setting reads BALLAST_JOB" in line]
