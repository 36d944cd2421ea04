"""Tests that need what is not on this machine."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def cannot_run(reason: str) -> NoReturn:
    """Skip the test; in continuous integration (`CI` set) that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"may not be skipped in continuous integration: {reason}", pytrace=False)
    pytest.skip(reason)
