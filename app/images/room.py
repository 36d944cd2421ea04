"""Everything about images that a request may use."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.core import Core
from app.domain.priority import Priority
from app.domain.units import MIB
from app.ffmpeg.frame import FrameGrabber
from app.ffmpeg.runner import FFmpegRunner
from app.ffmpeg.tools import find_tools
from app.images.accounts import ROLE
from app.images.children import ImagingChildren
from app.images.derived import DerivedImages, Libraries
from app.images.derived_answers import DerivedAnswers
from app.images.faces import FaceFinder, NoFaceFinder
from app.images.frames import VideoFrames
from app.images.images import Images
from app.images.info import PictureInfos
from app.images.marks import Marks
from app.images.masks import Masks
from app.images.presets import Presets
from app.images.sources import Sources
from app.images.wishes import Wishes
from app.media.pictures import Pictures
from app.memory.allowance import Allowance
from app.memory.cpus import available_cpus
from app.memory.governor import Governor
from app.settings import Settings
from app.storage.threads import DiskThreads
from app.workers.spec import PoolLimits, WorkerSpec
from app.workers.surroundings import Surroundings
from app.workers.zygote import Zygote
from app.workers.zygote_account import ZygoteAccount

ZYGOTE_BYTES = 24 * MIB
"""What the zygote takes: interpreter, Pillow, and the codecs of what most pictures are (measured: 17)."""

ZYGOTE_IDLE_SECONDS = 30.0
"""How long it stays after its last child has gone, if not less is set for children."""

_REST_SECONDS = 0.25
"""Without a call for so long, a child gives the memory back that it has kept from one picture for the next."""


@dataclass(frozen=True, slots=True)
class ImagesRoom:
    """`pictures` takes bodies in; `body_idle_seconds`: how long one may pause."""

    images: Images
    masks: Masks
    pictures: Pictures
    presets: Presets
    wishes: Wishes
    derived: DerivedImages
    infos: PictureInfos
    answers: DerivedAnswers
    governor: Governor
    disk: DiskThreads
    body_idle_seconds: float

    @property
    def effort(self) -> float:
        """The part of the default encoder effort that is made now."""
        return self.governor.policy.encoder_effort


async def open_images(
    core: Core, presets: Presets, stack: AsyncExitStack, faces: FaceFinder | None = None
) -> ImagesRoom:
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
    wait_seconds = settings.memory.wait_seconds

    def taken(unfinished: Allowance) -> Pictures:
        return Pictures(governor.budget, unfinished, core.store.scratch, disk, Priority.REQUEST, wait_seconds)

    frames = VideoFrames(_find_grabber(settings, governor), governor.budget, core.store, disk)
    # What comes from our own disk waits for no client.
    own = taken(Allowance(lambda: governor.budget.total_bytes))
    sources = Sources(core.store, frames, own, disk, images.max_bytes)
    libraries = Libraries(images, sources, core.store, governor)
    return ImagesRoom(
        images=images,
        masks=Masks(children, governor),
        pictures=taken(core.unfinished),
        presets=presets,
        wishes=Wishes(presets),
        derived=DerivedImages(core.cache, libraries),
        infos=PictureInfos(core.cache, libraries),
        answers=DerivedAnswers(disk, settings.image.max_age_seconds),
        governor=governor,
        disk=disk,
        body_idle_seconds=settings.upload.idle_seconds,
    )


def _find_grabber(settings: Settings, governor: Governor) -> FrameGrabber | None:
    ffmpeg = find_tools(settings.video).ffmpeg
    return None if ffmpeg is None else FrameGrabber(ffmpeg, FFmpegRunner(governor, settings.sandbox))


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
        rest_seconds=_REST_SECONDS,
        log_level=settings.log.level,
    )
