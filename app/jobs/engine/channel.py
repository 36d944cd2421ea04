"""The jobs child's end of its channel to the service."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

from app.jobs.engine.orders import Ask
from app.workers.channel import BlockingChannel

logger = logging.getLogger("ballast.jobs")


class ServiceLink:
    """Any number of threads ask; one listens. When the service is gone, the child ends."""

    def __init__(self, sock: socket.socket) -> None:
        self._channel = BlockingChannel(sock)
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._changed = threading.Condition()

    def ask(self, job_id: str, run: int, place: int) -> dict[str, Any]:
        """Have the service do a step, and wait for its answer, however long that takes."""
        number = next(self._numbers)
        self._send(Ask(number, job_id, run, place).head())
        with self._changed:
            self._changed.wait_for(lambda: number in self._answers)
            return self._answers.pop(number)

    def tell_over(self, job_id: str, run: int) -> None:
        """Say that a run has ended, by what is known here."""
        self._send({"over": job_id, "run": run})

    def listen(self, start: Callable[[str, int, int], None], forget: Callable[[str, int], None]) -> None:
        """Do from now on, in a thread, what the service says."""

        def run() -> None:
            while (message := self._channel.receive()) is not None:
                self._take(message.head, start, forget)
            os._exit(0)

        threading.Thread(target=run, name="service", daemon=True).start()

    def _take(
        self, head: dict[str, Any], start: Callable[[str, int, int], None], forget: Callable[[str, int], None]
    ) -> None:
        if "answer" in head:
            with self._changed:
                self._answers[head["answer"]] = {"outcome": head["outcome"], "seconds": head["seconds"]}
                self._changed.notify_all()
            return
        try:
            if "start" in head:
                start(head["start"], head["run"], head["steps"])
            elif "forget" in head:
                forget(head["forget"], head["run"])
        except Exception:
            logger.exception("the database of the jobs child refused")
            os._exit(1)  # the service starts another one, and says again what is to be done

    def _send(self, head: dict[str, Any]) -> None:
        try:
            self._channel.send(head)
        except OSError:
            os._exit(0)
