"""Everything about images that a request may use."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.core import Core
from app.domain.priority import Priority
from app.domain.units import MIB
from app.images.accounts import ROLE
from app.images.children import ImagingChildren
from app.images.faces import FaceFinder, NoFaceFinder
from app.images.images import Images
from app.images.marks import Marks
from app.media.pictures import Pictures
from app.memory.cpus import available_cpus
from app.settings import Settings
from app.workers.spec import PoolLimits, WorkerSpec
from app.workers.surroundings import Surroundings
from app.workers.zygote import Zygote
from app.workers.zygote_account import ZygoteAccount

ZYGOTE_BYTES = 24 * MIB
"""What the zygote takes: interpreter, Pillow, and the codecs of what most pictures are (measured: 17)."""

ZYGOTE_IDLE_SECONDS = 30.0
"""How long it stays after its last child has gone, if not less is set for children."""


@dataclass(frozen=True, slots=True)
class ImagesRoom:
    """`pictures` takes bodies in; `body_idle_seconds`: how long one may pause."""

    images: Images
    pictures: Pictures
    body_idle_seconds: float


async def open_images(core: Core, stack: AsyncExitStack, faces: FaceFinder | None = None) -> ImagesRoom:
    """Build it on the libraries; its children end with the stack. Without `faces` nobody finds any."""
    settings, governor, disk = core.settings, core.governor, core.disk
    zygote = ZygoteAccount(governor, ZYGOTE_BYTES)
    idle_seconds = min(ZYGOTE_IDLE_SECONDS, settings.image.idle_seconds)
    launcher = Zygote(["app.images.preload"], zygote, idle_seconds)
    stack.push_async_callback(launcher.aclose)
    children = ImagingChildren(_child_spec(settings), Surroundings.around(launcher), zygote, governor)
    stack.push_async_callback(children.aclose)
    marks = Marks(core.store, disk, settings.image)
    images = Images(children, governor, settings.image, marks, disk, faces or NoFaceFinder())
    pictures = Pictures(governor.budget, core.store.scratch, disk, Priority.REQUEST, settings.memory.wait_seconds)
    return ImagesRoom(images, pictures, settings.upload.idle_seconds)


def _child_spec(settings: Settings) -> WorkerSpec:
    return WorkerSpec(
        role=ROLE,
        entry="app.images.engine:build",
        sandbox=settings.sandbox,
        limits=PoolLimits(
            workers=settings.image.workers or available_cpus(),
            idle_seconds=settings.image.idle_seconds,
            wait_seconds=settings.memory.wait_seconds,
        ),
        ahead=1,
        # What is reserved is what a call is held to (`engine.Engine`); this is for what no call is to blame for.
        data_limit_bytes=None,
        takes_descriptors=True,
        log_level=settings.log.level,
    )
