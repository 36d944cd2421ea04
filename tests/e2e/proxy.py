"""A proxy on loopback that cuts connections when so many bytes have gone through it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PIECE_BYTES = 64 * 1024


class CuttingProxy:
    """Passes connections on to `target_port`. At each mark its action is called and the connection is cut."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.marks: list[tuple[int, Callable[[], None]]] = []
        self.cuts = 0
        self._sent_bytes = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in tuple(self._open):
            _shut(one)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.target_port)) as server:
            self._open |= {client, server}
            back = threading.Thread(target=_pass_on, args=(server, client))
            back.start()
            with contextlib.suppress(OSError):
                self._pass_on_and_count(client, server)
            _shut(server)
            _shut(client)
            back.join()
            self._open -= {client, server}

    def _pass_on_and_count(self, client: socket.socket, server: socket.socket) -> None:
        while data := client.recv(_PIECE_BYTES):
            server.sendall(data)
            if (action := self._passed_mark(len(data))) is not None:
                action()
                return

    def _passed_mark(self, size_bytes: int) -> Callable[[], None] | None:
        with self._lock:
            self._sent_bytes += size_bytes
            if self.marks and self._sent_bytes >= self.marks[0][0]:
                self.cuts += 1
                return self.marks.pop(0)[1]
        return None


@contextmanager
def cutting_proxy(target_port: int) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(target_port)
    try:
        yield proxy
    finally:
        proxy.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE_BYTES):
            target.sendall(data)
    _shut(source)
    _shut(target)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
