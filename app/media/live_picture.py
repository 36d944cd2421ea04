"""A frame of a stream as the picture that work is done on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from app.media.pictures import Charge, ChargedPicture, Pictures
from app.memory.customer import Customer
from app.memory.reservation import Reservation


class LivePicture(ChargedPicture):
    """A frame of a stream, which charges its bytes: only the work on it is reserved here.

    Without a charge it is covered by what every open stream has reserved, and stays where it is. `waits` says that the
    bytes of the work, or a model, are waited for.
    """

    def __init__(
        self,
        data: bytes,
        charge: Charge | None,
        pictures: Pictures,
        customer: Customer,
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_wait` is called when it begins to wait: the stream must not hold anything else then."""
        super().__init__(data, charge, pictures, customer)
        self.waits = False
        self._on_wait = on_wait

    async def put_aside(self) -> None:
        """See `Picture.put_aside`."""
        await super().put_aside()
        self.waits = True
        self._on_wait()

    @asynccontextmanager
    async def granted(self, parts: Mapping[str, int], owner: str) -> AsyncIterator[Reservation]:
        """See `Picture.granted`. Where the bytes are not free at once, a charged picture waits on the disk."""
        reservation = self._pictures.try_reserve(parts, owner, self.customer) if self._path is None else None
        if reservation is not None:
            self.waits = False
            try:
                yield reservation
            finally:
                reservation.release()
            return
        await self.put_aside()
        is_here = self._path is None
        waiting = self._pictures.reserve(parts, owner, self.customer) if is_here else self._fetched(parts, owner)
        async with waiting as reservation:
            self.waits = False
            yield reservation
