"""The same as `e2e/test_kills.py`, for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_kills import run


@pytest.mark.stress
@pytest.mark.timeout(1800)
def test_a_hundred_kills(folder: Path) -> None:
    run(folder, 100)
