"""A line of NDJSON for each picture of a batch: what came of it, or the problem."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from app.errors import (
    BallastError,
    InvalidMedia,
    InvalidParameter,
    MemoryExceedsLimit,
    NotFound,
    PayloadTooLarge,
    ProcessingTimeout,
    TooManyPixels,
    UnsupportedMedia,
    WorkerFailed,
)
from app.images.conversion import CONTENT_TYPES
from app.images.rendered import ImageFacts
from app.images.transform import Transform
from app.jobs.source import Source
from app.jobs.workshop import Workshop
from app.vision.tally import Tally
from app.vision.task import VisionTask

OF_THE_PICTURE = (
    InvalidMedia,
    InvalidParameter,
    MemoryExceedsLimit,
    NotFound,
    PayloadTooLarge,
    ProcessingTimeout,
    TooManyPixels,
    UnsupportedMedia,
    WorkerFailed,
)
"""Problems of one picture, which is answered with them; of others all are waited for, or the job fails."""

_SUFFIXES = {content_type: name.replace("jpeg", "jpg") for name, content_type in CONTENT_TYPES.items()}


@dataclass(frozen=True, slots=True)
class PictureLine:
    """`code` is that of the problem; empty where there is none."""

    text: bytes
    code: str
    tally: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A picture that was made of another one and lies in the job's folder. Who works on several at a time keeps them in
    the order of the inputs: that is the order of the results."""

    index: int
    source: Source
    path: Path
    facts: ImageFacts

    async def kept(self, shop: Workshop) -> PictureLine:
        """Make it a media item; return the line that tells of it.

        Raises:
            BallastError: there is no room to keep it.
        """
        index, facts = self.index, self.facts
        stem = PurePath(self.source.item.name).stem[:80] or "picture"
        name = f"{stem}-{index + 1}.{_SUFFIXES[facts.content_type]}"
        media_id = await shop.keep(self.path, name, facts.content_type)
        result = {
            "media": media_id,
            "contentType": facts.content_type,
            "width": facts.width,
            "height": facts.height,
            "sizeBytes": facts.size_bytes,
            **({} if facts.faces is None else {"faces": facts.faces}),
        }
        return PictureLine(_head(index, self.source, result=result) + b"\n", "", Tally().as_dict())


@dataclass(frozen=True, slots=True)
class Looked:
    """Has a task look at pictures."""

    task: type[VisionTask]
    params: Any

    async def done(self, index: int, source: Source, shop: Workshop) -> PictureLine:
        """Return what is found in a picture.

        Raises:
            BallastError: it is no problem of the picture (`OF_THE_PICTURE`).
        """
        tally = Tally()
        try:
            result = await shop.pictures.look(source, self.task, self.params, shop.client)
        except OF_THE_PICTURE as error:
            return _problem(index, source, error)
        tally.count(json.loads(result.payload))
        head = _head(index, source)[:-1] + b',"result":'
        return PictureLine(head + result.to_json() + b"}\n", "", tally.as_dict())


@dataclass(frozen=True, slots=True)
class Rendered:
    """Makes pictures of pictures."""

    transform: Transform

    async def done(self, index: int, source: Source, shop: Workshop) -> PictureLine | Made:
        """Return what became of a picture: another one, which is to be kept, or a line with its problem.

        Raises:
            BallastError: it is no problem of the picture (`OF_THE_PICTURE`).
        """
        path = shop.file(f"picture-{index:06d}")
        try:
            facts = await shop.pictures.render(source, self.transform, path, shop.client)
        except OF_THE_PICTURE as error:
            return _problem(index, source, error)
        return Made(index, source, path, facts)


def _problem(index: int, source: Source, error: BallastError) -> PictureLine:
    text = _head(index, source, problem=error.problem(None)) + b"\n"
    return PictureLine(text, error.code, Tally().as_dict())


def _head(index: int, source: Source, **more: Any) -> bytes:
    return json.dumps({"index": index, "id": source.item.id, **more}, separators=(",", ":")).encode()
