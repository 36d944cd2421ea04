"""One picture in, one picture out: the use case of this room."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

from app.domain.receipt import Receipt
from app.errors import MemoryExceedsLimit, PayloadTooLarge, UnsupportedMedia, WorkerFailed
from app.images.answer_file import AnswerFile
from app.images.children import ImagingChildren
from app.images.conversion import CONTENT_TYPES
from app.images.face_look import look_size
from app.images.faces import FaceFinder
from app.images.marks import Mark, Marks
from app.images.plan import RenderPlan, Wish, plans
from app.images.rendered import ImageFacts, RenderedImage, Timing
from app.images.transform import Transform
from app.imaging.picture_format import PictureHeader
from app.media.pictures import Picture
from app.memory.governor import Governor
from app.memory.reservation import Reservation
from app.settings import ImageSettings
from app.storage.threads import DiskThreads
from app.workers.pool import NoWorker
from app.workers.reply import Reply

_OWNER = "image"


_SMALL = Transform.of({"width": 100, "height": 100, "format": "png"})
"""What is examined of a picture: its colours and shapes, as large as ThumbHash takes it."""


class Images:
    """Renders encoded pictures in the imaging children, admitted by the bytes that it will take."""

    def __init__(
        self,
        children: ImagingChildren,
        governor: Governor,
        settings: ImageSettings,
        marks: Marks,
        disk: DiskThreads,
        faces: FaceFinder,
    ) -> None:
        self.children = children
        self._governor = governor
        self._settings = settings
        self._marks = marks
        self._disk = disk
        self._faces = faces

    @property
    def max_bytes(self) -> int:
        return self._settings.max_bytes

    async def render(self, picture: Picture, transform: Transform, until: AsyncExitStack) -> RenderedImage:
        """Return the picture that a transform makes of an encoded one; it is closed at the end of `until`.

        Nothing is held while something is waited for: faces are found first, then there is a child, then the bytes.

        Raises:
            PayloadTooLarge: it has too many bytes, or an animation's answer would.
            UnsupportedMedia, InvalidMedia, TooManyPixels: the picture is not accepted.
            InvalidParameter: the transform cannot be done with this picture, or names a watermark that there is not.
            MemoryExceedsLimit: it could never fit, even the cheaper way.
            BallastError: see `FaceFinder.find`, `ImagingChildren.present`, `MemoryBudget.reserve`, `WorkerPool.call`.
        """
        wish = Wish(self._checked(picture), picture.size_bytes, transform)
        plans(wish, 1.0, self._settings)  # what is refused is refused before faces are looked for
        if transform.needs_faces:
            heads = await self._faces.find(picture, look_size(transform, wish.header.upright))
            wish = replace(wish, faces=heads.regions, looked=heads.receipt)
        async with self._marks.opened(transform) as mark:
            rendered = await self._rendered(picture, wish, mark)
            until.callback(rendered.close)  # before anything else is waited for, in which the request may be cancelled
        self._tidy(picture)
        return rendered

    async def examine(self, picture: Picture, until: AsyncExitStack) -> RenderedImage:
        """Return what a child tells of a picture, as the JSON of `imaging.examination`; closed at the end of `until`.

        Raises:
            BallastError: as `render`.
        """
        wish = Wish(self._checked(picture), picture.size_bytes, _SMALL, examines=True)
        rendered = await self._rendered(picture, wish, None)
        until.callback(rendered.close)
        self._tidy(picture)
        return rendered

    def _tidy(self, picture: Picture) -> None:
        """Have memory given back where there was any: what a child read itself was never here."""
        if not picture.is_filed:
            self._governor.trimmer.request()

    def _checked(self, picture: Picture) -> PictureHeader:
        if picture.size_bytes > self.max_bytes:
            raise PayloadTooLarge(
                f"A picture may have {self.max_bytes} bytes.", maxBytes=self.max_bytes, sizeBytes=picture.size_bytes
            )
        if not picture.size_bytes:
            raise UnsupportedMedia("The body is empty; send one picture.")
        return picture.read_header()

    async def _rendered(self, picture: Picture, wish: Wish, mark: Mark | None) -> RenderedImage:
        """Render with as many bytes for the answer as are likely needed; only noise and the like take more."""
        found = plans(wish, self._governor.policy.encoder_effort, self._settings, mark)
        plan = self._fitting(found, 1 if picture.is_filed else 2)
        for answer_bytes, more_bytes in ((plan.likely_bytes, 0), (plan.most_bytes, plan.noise_bytes)):
            predicted_bytes = self._predicted(plan) + more_bytes
            if (rendered := await self._attempt(picture, plan, mark, predicted_bytes, answer_bytes)) is not None:
                return rendered
        raise PayloadTooLarge(f"The answer would have more than {plan.most_bytes} bytes; ask for a smaller one.")

    def _fitting(self, found: list[RenderPlan], copies: int) -> RenderPlan:
        """Return the first plan that can ever fit beside so many copies of the encoded picture: here, and in the child.

        Raises:
            MemoryExceedsLimit: none can.
        """
        limit_bytes = self._governor.budget.limit_bytes - self.children.held_bytes
        needed = [self._predicted(plan) + copies * plan.work.encoded_bytes + plan.likely_bytes for plan in found]
        for plan, needed_bytes in zip(found, needed, strict=True):
            if needed_bytes <= limit_bytes:
                return plan
        raise MemoryExceedsLimit(
            f"The picture needs {needed[-1]} bytes, and {limit_bytes} can ever be given.",
            neededBytes=needed[-1],
            limitBytes=limit_bytes,
        )

    def _predicted(self, plan: RenderPlan) -> int:
        """Return what is reserved, and what the child is held to."""
        return self._governor.forecast.predict_at_least(plan.operation, plan.formula_bytes)

    async def _attempt(
        self, picture: Picture, plan: RenderPlan, mark: Mark | None, predicted_bytes: int, answer_bytes: int
    ) -> RenderedImage | None:
        """Render once; None: the answer needs more than `answer_bytes`, or writing it more than was predicted."""
        parts = {"render": predicted_bytes + plan.work.encoded_bytes, "answer": answer_bytes}
        head = {**plan.as_head(self._settings, mark), "peakBytes": predicted_bytes}
        while True:
            with self.children.expected():
                await self.children.present(picture)
                async with picture.granted(parts, _OWNER) as reservation:
                    with AnswerFile(answer_bytes) as file:
                        try:
                            reply = await self._call(picture, head, file.descriptor, mark)
                        except NoWorker:  # the child left or died before the call, and none follows by itself
                            continue
                        if "overflow" in reply.head:
                            return None
                        peak_bytes = _own_peak_bytes(picture, reply)
                        receipt = self._receipt(plan, predicted_bytes, reply, peak_bytes)
                        return self._answered(plan, reply, receipt, file, reservation)

    async def _call(self, picture: Picture, head: dict[str, object], descriptor: int, mark: Mark | None) -> Reply:
        descriptors = (descriptor,) if mark is None else (descriptor, mark.descriptor)
        message = picture.message(head, descriptors)
        return await self.children.call(message, self._settings.deadline_seconds, picture.customer)

    def _answered(
        self, plan: RenderPlan, reply: Reply, receipt: Receipt, file: AnswerFile, reservation: Reservation
    ) -> RenderedImage:
        """Take the answer out of a call: its bytes outlive the picture's."""
        facts = _facts(plan, reply, receipt if plan.looked is None else plan.looked.then(receipt))
        own = reservation.split(["answer"], owner=_OWNER)
        own.shrink(max(0, own.reserved_bytes - facts.size_bytes))
        own.observe(facts.size_bytes)
        return RenderedImage(facts, file.keep(), own, self._disk)

    def _receipt(self, plan: RenderPlan, predicted_bytes: int, reply: Reply, peak_bytes: int | None) -> Receipt:
        """Learn from how far the child grew; return what the work took: that, and the answer, memory of its own."""
        if peak_bytes is not None:
            self._governor.forecast.observe(plan.operation, plan.formula_bytes, peak_bytes)
        size_bytes = _size_bytes(plan, reply)
        peak_bytes = None if peak_bytes is None else peak_bytes + size_bytes
        predicted_bytes += max(plan.likely_bytes, size_bytes)
        return Receipt(predicted_bytes, peak_bytes, self._governor.mode, plan.is_reduced)


def _own_peak_bytes(picture: Picture, reply: Reply) -> int | None:
    """Return how far a child grew beyond the encoded picture, which is reserved beside its work."""
    read_bytes = picture.size_bytes if picture.is_filed else 0
    return None if reply.peak_bytes is None else max(0, reply.peak_bytes - read_bytes)


def _size_bytes(plan: RenderPlan, reply: Reply) -> int:
    """Return the length of an answer as a child tells it, checked."""
    size_bytes = reply.head.get("sizeBytes")
    if not isinstance(size_bytes, int) or not 0 < size_bytes <= plan.most_bytes:
        raise WorkerFailed("The worker's reply is broken.")
    return size_bytes


def _facts(plan: RenderPlan, reply: Reply, receipt: Receipt) -> ImageFacts:
    """Return what a child tells of its answer, checked: it may have been taken over by what it decoded."""
    head = reply.head
    try:
        width, height, frames = (int(head[name]) for name in ("width", "height", "frames"))
        seconds = [float(head[f"{phase}Seconds"]) for phase in ("decode", "transform", "encode")]
    except (KeyError, TypeError, ValueError) as error:
        raise WorkerFailed("The worker's reply is broken.") from error
    size_bytes = _size_bytes(plan, reply)
    faces = len(plan.work.scene.faces) if plan.work.transform.needs_faces else None
    content_type = CONTENT_TYPES[plan.work.encoding.format]
    return ImageFacts(content_type, width, height, frames, size_bytes, Timing(*seconds), receipt, faces)
