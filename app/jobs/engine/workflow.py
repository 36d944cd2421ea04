"""Runs in the jobs child: decides what comes next, durably (DBOS), and has the service do it.

A workflow is a run of a job; it goes through the places of its plan and asks for each step. What a step did stands in
the service's book: here is only how far each run is, and until when it waits. See docs/decisions/0030.
"""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowStatus

from app.errors import StorageUnavailable
from app.jobs.engine.channel import ServiceLink
from app.jobs.engine.claims import Claims
from app.jobs.engine.orders import workflow_id
from app.workers.channel import Head

logger = logging.getLogger("ballast.jobs")

APPLICATION_VERSION = "1"
"""Of the workflow below: what an older version left is gone on with, however much of our code has changed since."""

_MOST_RECOVERIES = 10_000
"""The service counts how often each step was begun, and gives up by that (`steps`)."""

_PRUNED = 100
"""After how many starts the runs that are over are forgotten, and how many of them at a time."""

_FILE = "sqlite:///"

_OVER = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


def build(options: dict[str, Any]) -> Engine:
    """Return the handler of the child. `options`: `url` of the database, `executor` (a name for this machine)."""
    return Engine(options["url"], options["executor"])


class Engine:
    """Answers one call: `connect`, with the descriptor of the channel to the service. It works in threads from then."""

    def __init__(self, url: str, executor: str) -> None:
        self._config: DBOSConfig = {
            "name": "ballast-jobs",
            "system_database_url": url,
            "executor_id": executor,
            "application_version": APPLICATION_VERSION,
            "enable_otlp": False,
            "notification_listener_polling_interval_sec": 1.0,
            "log_level": "WARNING",
        }

    def handle(self, head: Head, _payload: bytes) -> tuple[Head, bytes]:
        """Open the database and begin to listen.

        Raises:
            StorageUnavailable: the database cannot be used.
        """
        link = ServiceLink(socket.socket(fileno=os.dup(head["descriptors"][0])))
        try:
            runs = self._open(link)
        except Exception as error:
            logger.warning("the database of the jobs child cannot be used: %s", type(error).__name__)
            raise StorageUnavailable(
                "The database of the jobs child cannot be used.", retry_after_seconds=10
            ) from error
        link.listen(runs.start, runs.forget)
        return {}, b""

    def _open(self, link: ServiceLink) -> Runs:
        """Open the database. A broken file is set aside: all that was in it, the service says again."""
        url = str(self._config["system_database_url"])
        if url.startswith(_FILE):
            _set_aside_if_broken(Path(url.removeprefix(_FILE)))
        return Runs(self._config, link)


class Runs:
    """The workflows. What was going on when an earlier child ended is gone on with by itself."""

    def __init__(self, config: DBOSConfig, link: ServiceLink) -> None:
        self._link = link
        self._executor = config["executor_id"]
        self._claims = Claims(self._is_over, link.tell_over)
        DBOS(config=config)
        _speak_through(logging.getLogger("dbos"))

        @DBOS.step(name="do")
        def do(job_id: str, run: int, place: int) -> dict[str, Any]:
            return link.ask(job_id, run, place)

        @DBOS.workflow(name="run", max_recovery_attempts=_MOST_RECOVERIES)
        def go(job_id: str, run: int, step_count: int) -> str:
            place = 0
            while place < step_count:
                answer = do(job_id, run, place)
                if answer["outcome"] == "later":
                    DBOS.sleep(answer["seconds"])
                elif answer["outcome"] == "done":
                    place += 1
                else:
                    if answer["outcome"] == "astray":
                        link.tell_over(job_id, run)
                    return str(answer["outcome"])
            return "done"

        self._go = go
        self._starts = 0
        DBOS.launch()
        self.prune()

    def start(self, job_id: str, run: int, step_count: int) -> None:
        """Begin a run, if it is not going on already."""
        self._starts += 1
        if self._starts % _PRUNED == 0:
            self.prune()
        if run > 1:
            self._forget_elsewhere(workflow_id(job_id, run - 1))
        name = workflow_id(job_id, run)
        known = DBOS.get_workflow_status(name)
        if known is not None and known.status in _OVER:
            self._link.tell_over(job_id, run)
        elif known is None:
            with SetWorkflowID(name):
                DBOS.start_workflow(self._go, job_id, run, step_count)
        else:
            self._claims.add(name, job_id, run)

    def _is_over(self, name: str) -> bool:
        known = DBOS.get_workflow_status(name)
        return known is None or known.status in _OVER

    def _forget_elsewhere(self, name: str) -> None:
        """Keep nothing of a run that another machine began, and that will not end there any more."""
        known = DBOS.get_workflow_status(name)
        if known is not None and known.executor_id != self._executor:
            DBOS.cancel_workflow(name)
            DBOS.delete_workflows([name])

    def forget(self, job_id: str, run: int) -> None:
        """Keep nothing of a run that is over; one that still waits is told to stop when it asks."""
        self._delete([one for one in [DBOS.get_workflow_status(workflow_id(job_id, run))] if one is not None])

    def prune(self) -> None:
        """Keep nothing of all runs that are over: the service knows what became of them."""
        self._delete(
            DBOS.list_workflows(
                status=sorted(_OVER),
                limit=_PRUNED,
                executor_id=self._executor,
                load_input=False,
                load_output=False,
            )
        )

    def _delete(self, known: Sequence[WorkflowStatus]) -> None:
        if names := [one.workflow_id for one in known if one.status in _OVER]:
            DBOS.delete_workflows(names)


_GONE = frozenset({"DBOSNonExistentWorkflowError", "DBOSWorkflowCancelledError"})
"""How a run ends here that went to another machine meanwhile (`_forget_elsewhere`): the service tells of it."""


class _Brief(logging.Filter):
    """Leaves out what DBOS quotes of errors of the database: statements, addresses, paths."""

    def filter(self, record: logging.LogRecord) -> bool:
        cause = record.exc_info[0] if record.exc_info else None
        if cause is not None and cause.__name__ in _GONE:  # by name: DBOS does not export them
            return False
        record.msg = f"{record.getMessage().splitlines()[0]} {'' if cause is None else cause.__name__}".strip()
        record.args, record.exc_info, record.exc_text = (), None, None
        return True


def _speak_through(dbos: logging.Logger) -> None:
    """Have its lines come in our own form."""
    dbos.handlers.clear()
    dbos.addFilter(_Brief())
    dbos.propagate = True


def _set_aside_if_broken(path: Path) -> None:
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path)) as connection:
            is_whole = connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.OperationalError:  # locked, or the disk is full: that passes
        return
    except sqlite3.DatabaseError:
        is_whole = False
    if not is_whole:
        logger.warning("the database of the jobs child is broken, and set aside")
        path.rename(path.with_name(f"{path.name}.broken"))
