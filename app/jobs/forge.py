"""Runs of ffmpeg for jobs: the workroom of a client, made when what ffmpeg can do is known."""

from __future__ import annotations

from app.core import Core
from app.ffmpeg.abilities import Abilities, AbilityReader
from app.ffmpeg.runner import FFmpegRunner
from app.ffmpeg.tools import find_tools
from app.ffmpeg.workroom import Workroom, WorkroomParts
from app.ffmpeg.works import FFmpegWorks


class Forge:
    """Makes workrooms."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._tools = find_tools(core.settings.video)
        self._runner = FFmpegRunner(core.governor, core.settings.sandbox)
        self._reader = AbilityReader(self._tools.ffmpeg, self._runner)

    async def abilities(self) -> Abilities:
        """Return what ffmpeg can do; nothing where it is not installed.

        Raises:
            Overloaded, WorkerFailed, ProcessingTimeout: it could not be asked now.
        """
        return await self._reader.read()

    async def works(self, client: str, waited: int = 0) -> FFmpegWorks:
        """Return a workroom whose runs wait in line as this client's; `waited`: see `Workroom`. Raises: as there."""
        core = self._core
        parts = WorkroomParts(self._tools, await self.abilities(), self._runner, core.governor, core.disk)
        return Workroom(parts, client, waited)

    async def aclose(self) -> None:
        await self._reader.aclose()
