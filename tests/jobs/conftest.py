"""Fixtures of the tests of jobs."""

from __future__ import annotations

from tests.jobs.books import open_either  # noqa: F401 - a fixture
