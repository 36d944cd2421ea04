"""Stress tests: the real service in a real memory control group.

Where groups are writable nothing here is skipped in continuous integration (`CI` set): a skip fails.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.memory.cgroup import find_cgroup
from soak.cgroup import GroupUnavailable, MemoryGroup, memory_group
from tests.media_files import REPOSITORY
from tests.stress.running import LIMIT_BYTES, Stand


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(300))  # services start cold in their groups, and wait for the disk


@pytest.fixture
def folder() -> Iterator[Path]:
    """Lend a folder on a real disk: on tmpfs a stored file would be memory."""
    root = REPOSITORY / "var"
    root.mkdir(exist_ok=True)
    lent = Path(tempfile.mkdtemp(prefix="stress-", dir=root))
    yield lent
    shutil.rmtree(lent)


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[MemoryGroup]:
    """Lend a memory control group of 300 MiB, or of what the test gives as parameter."""
    limit_bytes = getattr(request, "param", LIMIT_BYTES)
    try:
        context = memory_group(limit_bytes)
        lent = context.__enter__()
    except GroupUnavailable as error:
        _cannot_run(str(error))
    try:
        yield lent
    finally:
        context.__exit__(None, None, None)


@pytest.fixture
def stand(folder: Path, group: MemoryGroup) -> Stand:
    return Stand(folder, group)


def _cannot_run(reason: str) -> None:
    found = find_cgroup()
    if os.environ.get("CI") and found is not None and os.access(found.levels[-1], os.W_OK):
        pytest.fail(f"may not be skipped in continuous integration: {reason}", pytrace=False)
    pytest.skip(reason)
