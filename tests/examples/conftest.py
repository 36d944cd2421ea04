"""A browser for the examples that are pages."""

from __future__ import annotations

from tests.browser.conftest import browser, camera_file, chromium, playwright

__all__ = ["browser", "camera_file", "chromium", "playwright"]
