"""Both ways in which children are started."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.workers.launch import PlainLauncher
from app.workers.launcher import Launcher
from tests.workers.zygotes import open_zygote


@pytest.fixture(params=["exec", "fork"])
async def launcher(request: pytest.FixtureRequest) -> AsyncIterator[Launcher]:
    """Start children plainly, and from a zygote."""
    if request.param == "exec":
        yield PlainLauncher()
        return
    async with open_zygote() as (zygote, _):
        yield zygote
        assert zygote.obstacle is None
