"""The head of an answer goes out together with the first piece of its body.

uvicorn writes the two one after the other, and uvloop sends each at once: two system calls, two packets, and the client
is woken twice.
"""

from __future__ import annotations

import asyncio


class HeldHead:
    """What one answer is written to: a connection's transport, as far as uvicorn's `RequestResponseCycle` uses it.

    A head whose body does not follow in the same turn of the loop (an event stream, a download that has yet to be read)
    goes out at its end.
    """

    __slots__ = ("_begun", "_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._begun = False

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif self._begun:
            self._transport.write(data)
        else:
            self._begun = True
            self._head = data
            self._loop.call_soon(self._let_go)

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def _let_go(self) -> None:
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
        self._head = b""
