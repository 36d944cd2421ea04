"""The query of a derived picture, read once: front ends ask for the same few sizes again and again."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, Field, create_model

from app.domain.units import KIB
from app.errors import BadRequest, BallastError
from app.images.derivation import Derivation
from app.images.params import query_model, read_query, single_values
from app.images.presets import Presets
from app.images.transform import Transform
from app.media.delivery import Inline, Shape
from app.settings import UnusableSettings

_SIGNATURE = re.compile(rb"(?:^|&)expires=[0-9]+&sig=[A-Za-z0-9_-]+$")
SIGNING = frozenset(("expires", "sig"))
"""Parameters of a signed URL, which are nobody else's business."""

_REMEMBERED = 256
_REMEMBERED_CHARACTERS = KIB
"""How many queries are remembered, and the longest of them: about 1 MiB at the very most."""


class StoreQuery(BaseModel):
    """What becomes of a result besides being answered."""

    store: Annotated[bool, Field(description="Keep the result: answer it as a media item.")] = False
    inline: Annotated[Inline, Field(description="With `store`: `never` answers a reference.")] = Inline.AUTO
    shape: Annotated[Shape, Field(description="With `store`: `clip` answers the item below `clip`.")] = Shape.ITEM
    name: Annotated[str | None, Field(max_length=1024, description="With `store`: the item's name.")] = None


class PresetQuery(BaseModel):
    """Described only: `Presets.applied` puts what it stands for in its place."""

    preset: Annotated[
        str | None,
        Field(description="A name from BALLAST_IMAGE__PRESETS; other parameters override it."),
    ] = None


class AtQuery(BaseModel):
    """Which frame."""

    at: Annotated[
        float | None, Field(ge=0, le=1e6, allow_inf_nan=False, description="Of a video: which frame, in seconds.")
    ] = None


TransformQuery: type[BaseModel] = create_model("TransformQuery", __base__=(query_model(), StoreQuery, PresetQuery))
StoredQuery: type[BaseModel] = create_model("StoredImageQuery", __base__=(TransformQuery, AtQuery))
STORING = frozenset(StoreQuery.model_fields)
_OTHERS = {*STORING, "preset", "at"}


def open_presets(queries: Mapping[str, str]) -> Presets:
    """Return the presets of the settings.

    Raises:
        UnusableSettings: one of them is no query that is answered; the message says why in one sentence.
    """
    presets = Presets(queries)
    for name in presets.names:
        try:
            Wishes(presets).read(urlencode({"preset": name}).encode(), "")
        except BallastError as error:
            raise UnusableSettings(f"BALLAST_IMAGE__PRESETS: {name}: {error.detail}") from error
    return presets


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of a stored item, and whether the result is to be kept as an item of its own."""

    derivation: Derivation
    storing: StoreQuery


class Wishes:
    """Reads queries. Belongs to the event loop."""

    def __init__(self, presets: Presets) -> None:
        self._presets = presets
        self._remembered: OrderedDict[tuple[bytes, str], Wish] = OrderedDict()

    def read(self, query_string: bytes, accept: str) -> Wish:
        """Return what a query asks for; `accept` is the request's Accept.

        Raises:
            BadRequest: it is not ASCII.
            InvalidParameter: a value is wrong or a name unknown: it is named, and what is allowed.
        """
        asked = (_SIGNATURE.sub(b"", query_string), accept)
        wish = self._remembered.get(asked)
        if wish is None:
            wish = self._read(*asked)
            if len(asked[0]) + len(accept) <= _REMEMBERED_CHARACTERS:
                self._remembered[asked] = wish
                if len(self._remembered) > _REMEMBERED:
                    self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(asked)
        return wish

    def _read(self, query_string: bytes, accept: str) -> Wish:
        try:
            pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True)
        except (UnicodeDecodeError, ValueError):
            raise BadRequest("The query is not ASCII, or has too many parameters.") from None
        values = single_values((name, value) for name, value in pairs if name not in SIGNING)
        query = read_query(StoredQuery, self._presets.applied(values))
        transform = Transform.of(query.model_dump(exclude_unset=True, exclude=_OTHERS), accept)
        at_seconds: float | None = query.model_dump(include={"at"})["at"]
        storing = StoreQuery(**query.model_dump(include=set(STORING)))
        return Wish(Derivation.of(transform, at_seconds), storing)
