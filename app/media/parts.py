"""The parts of an upload that is to be joined from others: each of them is used once."""

from __future__ import annotations

from collections.abc import Sequence

from app.errors import BadRequest, Conflict
from app.storage.stage import Stage
from app.storage.staging import Staging


def find_part(staging: Staging, part_id: str) -> Stage:
    """Return an upload that can be joined with others.

    Raises:
        NotFound: there is none.
        BadRequest: it is not a part, or not finished.
    """
    part = staging.find(part_id)
    if not part.is_partial:
        raise BadRequest("Upload-Concat names an upload that is not a partial one.")
    if not part.whole:
        raise BadRequest("Upload-Concat names a partial upload that is not finished.")
    return part


def joined_before(staging: Staging, parts: Sequence[Stage]) -> str | None:
    """Return the id of the upload that these parts, in this order, have become; None if none of them was joined.

    If the bytes of one part could go into any number of uploads, small requests would fill the disk with copies.

    Raises:
        NotFound: they have become one that is not known any more.
        Conflict: one of them was joined with others, or in another order.
    """
    wholes = {part.joined_into for part in parts}
    if wholes == {None}:
        return None
    names = "".join(part.state.id for part in parts)
    for whole_id in wholes - {None}:
        if len(wholes) == 1 and whole_id is not None and staging.find(whole_id).state.parts == names:
            return whole_id
    raise Conflict("Upload-Concat names an upload that has become part of another one.")
