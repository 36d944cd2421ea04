"""The same as `e2e/test_power_cuts.py`, for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_power_cuts import run


@pytest.mark.stress
@pytest.mark.timeout(1200)
def test_fifty_power_cuts(folder: Path) -> None:
    assert run(folder, 50) > 0
