"""Pictures derived from stored items: found in the cache, or made once for all who ask for the same."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache, partial

from app.derived.cache import IN_MEMORY_BYTES, DerivedCache
from app.derived.entries import BodyFile
from app.derived.flights import Flights
from app.domain.pressure import ModePolicy, ProcessingMode
from app.domain.receipt import Receipt
from app.images.derivation import Derivation
from app.images.images import Images
from app.images.rendered import ImageFacts, RenderedImage, Timing
from app.images.sources import Sources
from app.media.pictures import Picture
from app.memory.governor import Governor
from app.storage.store import MediaStore


@dataclass(frozen=True, slots=True)
class DerivedImage:
    """A picture: `body` is there, or in a file that is open as long as this is lent.

    `effort` is that of its encoder. `is_kept`: equal requests get these bytes again; else they may get better ones.
    """

    facts: ImageFacts
    body: bytes | BodyFile
    effort: float
    is_hit: bool = False
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class Libraries:
    """What deriving a picture needs besides the cache."""

    images: Images
    sources: Sources
    store: MediaStore
    governor: Governor


class DerivedImages:
    """Gives them. Belongs to the event loop."""

    def __init__(self, cache: DerivedCache, libraries: Libraries) -> None:
        self._cache = cache
        self._libraries = libraries
        self._flights = Flights[DerivedImage]()

    def find_in_memory(self, media_id: str, wanted: Derivation) -> DerivedImage | None:
        """Return what memory has: nothing is waited for. Counts as a look-up.

        What was made with full effort is taken at any level; what was made with less, only at levels that do so.
        """
        for effort in self._efforts():
            if (kept := self._cache.find_in_memory(wanted.key(media_id, effort))) is not None:
                return DerivedImage(_read(kept.head, self._mode), kept.body, effort, is_hit=True)
        return None

    @asynccontextmanager
    async def derive(self, media_id: str, wanted: Derivation, client: str) -> AsyncIterator[DerivedImage]:
        """Lend what `find_in_memory` did not find, out of a file or newly made.

        Raises:
            NotFound: there is no such item.
            UnsupportedMedia: it is neither picture nor video.
            InvalidParameter: the derivation cannot be done with it.
            PayloadTooLarge: it has more bytes than a picture may have.
            BallastError: see `Images.render` and `VideoFrames.frame`.
        """
        async with AsyncExitStack() as stack:
            for effort in self._efforts():
                key = wanted.key(media_id, effort)
                found = await stack.enter_async_context(self._cache.find_in_file(key))
                if found is not None:
                    yield DerivedImage(_read(found.head, self._mode), found.body, effort, is_hit=True)
                    return
            work = partial(self._make, media_id, wanted, client)
            yield await stack.enter_async_context(self._flights.join(wanted.key(media_id, 1.0), work))

    @property
    def _mode(self) -> ProcessingMode:
        return self._libraries.governor.mode

    def _efforts(self) -> tuple[float, ...]:
        effort = self._libraries.governor.policy.encoder_effort
        return (1.0,) if effort == 1.0 else (1.0, effort)

    @asynccontextmanager
    async def _make(self, media_id: str, wanted: Derivation, client: str) -> AsyncIterator[DerivedImage]:
        """Derive a picture, and keep it before its item can be deleted; its memory is held for the block."""
        mark = wanted.watermark
        async with AsyncExitStack() as stack:
            store = self._libraries.store
            with store.pin(media_id), store.pin(mark) if mark else nullcontext():
                async with self._source(media_id, wanted, client) as picture:
                    rendered, policy = await self._rendered(wanted, picture, stack)
                derived = await self._derived(rendered, wanted, policy)
                if derived.is_kept:
                    key = wanted.key(media_id, derived.effort)
                    await self._cache.keep(key, _head(derived.facts), derived.body)
            yield derived

    @asynccontextmanager
    async def _source(self, media_id: str, wanted: Derivation, client: str) -> AsyncIterator[Picture]:
        """Lend the picture that it is made of; its item is pinned."""
        sources, whole = self._libraries.sources, wanted.transform.needs_faces
        item = await self._libraries.store.get(media_id)
        wanted.check_item(item)
        if wanted.at_seconds is None:
            lent = sources.picture(item, client, whole=whole)
        else:
            lent = sources.frame(item, wanted.at_seconds, client, whole=whole)
        async with lent as picture:
            yield picture

    async def _rendered(
        self, wanted: Derivation, picture: Picture, until: AsyncExitStack
    ) -> tuple[RenderedImage, ModePolicy | None]:
        """Return the picture, and the policy that held all the time; None: it changed meanwhile."""
        policy = self._libraries.governor.policy
        rendered = await self._libraries.images.render(picture, wanted.transform, until)
        return rendered, policy if policy == self._libraries.governor.policy else None

    async def _derived(self, rendered: RenderedImage, wanted: Derivation, policy: ModePolicy | None) -> DerivedImage:
        is_kept = policy is not None and not rendered.facts.receipt.reduced
        if policy is not None and wanted.transform.needs_faces and policy.light_models:
            is_kept = False  # faces are looked for less thoroughly while memory is tight
        effort = 1.0 if policy is None else policy.encoder_effort
        return DerivedImage(rendered.facts, await self._body(rendered), effort, is_kept=is_kept)

    async def _body(self, rendered: RenderedImage) -> bytes | BodyFile:
        size_bytes = rendered.facts.size_bytes
        if size_bytes > IN_MEMORY_BYTES:
            return BodyFile(rendered.descriptor, size_bytes)
        return b"".join([piece async for piece in rendered.chunks()])


def _head(facts: ImageFacts) -> bytes:
    """Return what is told of a picture as it is kept with it."""
    members = asdict(facts)
    del members["receipt"]["mode"]
    return json.dumps(members, separators=(",", ":")).encode()


@lru_cache(maxsize=256)  # a picture that is asked for often has its head read once
def _read(head: bytes, mode: ProcessingMode) -> ImageFacts:
    """Return what `_head` wrote, for an answer in this mode: the bytes of its receipt are those of the work."""
    members = json.loads(head)
    members["timing"] = Timing(**members["timing"])
    members["receipt"] = Receipt(**members["receipt"], mode=mode)
    return ImageFacts(**members)
