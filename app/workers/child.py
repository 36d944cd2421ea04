"""The child's side: enter the sandbox, build the handler, then answer calls until the parent is gone."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from app import log
from app.errors import BallastError, WorkerFailed
from app.memory.allocator import find_malloc_trim
from app.workers import sandbox
from app.workers.channel import PREFIX, BlockingChannel, Head, Message
from app.workers.descriptors import DescriptorInbox, receive_opening
from app.workers.footprint import Footprint, resident_bytes
from app.workers.stderr import keep_own_stderr

logger = logging.getLogger("ballast.child")

_OUT_OF_MEMORY = WorkerFailed("The work needs more memory than it may have.")


class Handler(Protocol):
    """What an entry point builds; what it loads for good it loads there."""

    def handle(self, head: Head, payload: bytes) -> tuple[Head, bytes]:
        """Answer one call, always on the same thread; raise a BallastError for what the caller should know.

        Of a call with open files `head["descriptors"]` has them in the caller's order; they are closed afterwards.
        """
        ...


def run(descriptor: int, parent_pid: int) -> None:
    """Serve calls that come over the socket `descriptor`, until the other end is closed; then exit the process.

    The exit is at once (`os._exit`): whatever runs has nobody left to answer, and the kernel takes memory back faster
    than native libraries would free it.
    """
    sock = socket.socket(fileno=descriptor)
    prefix, passed = receive_opening(sock, PREFIX.size)
    channel = BlockingChannel(sock)
    if (opening := channel.receive_rest(prefix)) is not None:
        _open(channel, opening, DescriptorInbox(passed[0]) if passed else None, parent_pid)
    os._exit(0)


def _open(channel: BlockingChannel, opening: Message, inbox: DescriptorInbox | None, parent_pid: int) -> None:
    log.configure(opening.head["logLevel"], keep_own_stderr())
    footprint = Footprint()
    held = _confine(channel, opening.head, parent_pid)
    handler = _build(channel, opening.head["entry"], opening.head["options"])
    # What start-up made lives forever: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    channel.send({"ready": True, "pid": os.getpid(), "sandbox": held, "residentBytes": resident_bytes()})
    server = _CallServer(channel, handler, footprint, opening.head["processors"], inbox)
    _serve(channel, server, opening.head["restSeconds"])


def _confine(channel: BlockingChannel, opening: Head, parent_pid: int) -> dict[str, Any]:
    """Enter the sandbox; where it has a hole that must not be, say so, and exit."""
    package = importlib.import_module(opening["entry"].partition(".")[0])  # found now: its folder cannot be read later
    held = sandbox.enter(parent_pid, sandbox.Terms.read(opening, package.__path__))
    if missing := sandbox.shortfall(held):
        logger.error("the sandbox has holes, so no work is done (BALLAST_SANDBOX)", extra={"missing": missing})
        channel.send(_refusal(WorkerFailed("The worker cannot enter its sandbox: see `ballast doctor`.")))
        os._exit(0)
    return held


def _build(channel: BlockingChannel, entry: str, options: dict[str, Any]) -> Handler:
    """Build the handler; where that is refused, say why, and exit."""
    module, _, name = entry.partition(":")
    build: Callable[[dict[str, Any]], Handler] = getattr(importlib.import_module(module), name)
    try:
        return build(options)
    except BallastError as error:
        channel.send(_refusal(error))
    except MemoryError:
        channel.send(_refusal(_OUT_OF_MEMORY))
    os._exit(0)


def _serve(channel: BlockingChannel, server: _CallServer, rest_seconds: float | None) -> None:
    """Read what comes on this thread, so that a call sent ahead can be recalled, and work on another."""
    backlog = _Backlog()
    threading.Thread(target=server.run, args=(backlog, rest_seconds), name="calls", daemon=True).start()
    while (message := channel.receive()) is not None:
        if "recall" not in message.head:
            backlog.put(message)
        elif backlog.take_back(message.head["recall"]):
            server.give_back(message.head["recall"])


def _refusal(error: BallastError) -> Head:
    return {"error": error.code, "detail": error.detail, "extra": error.extra}


class _Backlog:
    """Calls that are not begun yet, first in, first out; one can be taken back as long as it is here."""

    def __init__(self) -> None:
        self._calls: deque[Message] = deque()
        self._changed = threading.Condition()

    def put(self, call: Message) -> None:
        with self._changed:
            self._calls.append(call)
            self._changed.notify()

    def take(self) -> Message:
        """Wait for a call and return it."""
        with self._changed:
            self._changed.wait_for(lambda: self._calls)
            return self._calls.popleft()

    def comes_within(self, seconds: float) -> bool:
        """Wait for a call for so long; return whether one is here."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._calls, seconds))

    def take_back(self, number: int) -> bool:
        """Remove the call of this number; False: it is not here any more."""
        with self._changed:
            found = next((call for call in self._calls if call.head["call"] == number), None)
            if found is not None:
                self._calls.remove(found)
        return found is not None


class _CallServer:
    def __init__(
        self,
        channel: BlockingChannel,
        handler: Handler,
        footprint: Footprint,
        processors: int,
        inbox: DescriptorInbox | None,
    ) -> None:
        self._channel = channel
        self._handler = handler
        self._footprint = footprint
        self._processors = processors
        self._inbox = inbox

    def run(self, backlog: _Backlog, rest_seconds: float | None) -> None:
        """Answer for ever. Where no call comes for `rest_seconds`, what the heap has kept goes back to the kernel."""
        trim = find_malloc_trim()
        while True:
            self._reply(backlog.take())
            gc.collect()
            if rest_seconds is not None and trim is not None and not backlog.comes_within(rest_seconds):
                trim()

    def give_back(self, number: int) -> None:
        """Tell the parent that a call was not begun, and will not be."""
        memory = {"peakBytes": None, "residentBytes": resident_bytes()}
        self._channel.send({"call": number, "pid": os.getpid(), "memory": memory, "recalled": True})

    def _reply(self, call: Message) -> None:
        log.request_id.set(call.head.pop("requestId", None))
        number = call.head.pop("call")
        sandbox.allow_processor_time(call.head.pop("deadlineSeconds") * self._processors)
        with self._footprint.measure() as measurement, self._with_descriptors(call, number):
            head, payload = self._handle(call)
        head |= {"call": number, "pid": os.getpid()}
        head["memory"] = measurement.as_dict()
        self._send(head, payload)

    @contextlib.contextmanager
    def _with_descriptors(self, call: Message, number: int) -> Iterator[None]:
        """Put the open files of a call into its head (`descriptors`) for the block, and close them afterwards."""
        if call.head.pop("descriptors", 0) and self._inbox is not None:
            with self._inbox.taken(number) as call.head["descriptors"]:
                yield
        else:
            yield

    def _send(self, head: Head, payload: bytes) -> None:
        try:
            self._channel.send(head, payload)
        except (TypeError, ValueError, RecursionError):
            logger.exception("a reply cannot be written as JSON")
            kept = {name: head[name] for name in ("call", "pid", "memory")}
            self._channel.send({**kept, "error": WorkerFailed.code, "detail": "The worker's reply is broken."})

    def _handle(self, call: Message) -> tuple[Head, bytes]:
        try:
            return self._handler.handle(call.head, call.payload)
        except BallastError as error:
            return _refusal(error), b""
        except MemoryError:
            # The data limit held. The heap may be in pieces: the parent replaces this process.
            return _refusal(_OUT_OF_MEMORY) | {"fatal": True}, b""
        except Exception:
            logger.exception("a call failed")
            return _refusal(WorkerFailed("The worker could not process this input.")), b""
