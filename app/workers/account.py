"""The ledger entry of a child, as `workers` sees it: who gives one, and what it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.workers.process import WorkerProcess


class Account(Protocol):
    """The bytes of one child; they outlive it where another follows."""

    def opened(self, worker: WorkerProcess) -> None:
        """It has a process: `worker.pid`."""
        ...

    def loaded(self, worker: WorkerProcess) -> None:
        """It is ready: what it really holds can be asked of the kernel."""
        ...

    def is_outgrown(self) -> bool:
        """Whether the child holds more between two calls than it should, and is to be replaced."""
        ...

    def ended(self, worker: WorkerProcess) -> None:
        """The process is reaped; the account may serve a successor."""
        ...

    def close(self) -> None:
        """No child follows: the bytes are free. Called once, last."""
        ...


class Accounts(Protocol):
    def another(self) -> Account | None:
        """Return an account for one more child of this kind, if there are bytes for it now."""
        ...
