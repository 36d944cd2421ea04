"""A ledger of children that notes what it is told."""

from __future__ import annotations

from app.workers.process import WorkerProcess


class NotedAccount:
    """Fails the test where it is told something out of order."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._child: int | None = None
        self.events: list[str] = []
        self.pids: list[int] = []

    @property
    def is_closed(self) -> bool:
        return self.events[-1:] == ["closed"]

    def opened(self, worker: WorkerProcess) -> None:
        assert self._child is None
        assert not self.is_closed
        self._child = worker.pid
        self.pids.append(worker.pid)
        self.events.append("opened")

    def loaded(self, worker: WorkerProcess) -> None:
        assert self._child == worker.pid
        self.events.append("loaded")

    def is_outgrown(self) -> bool:
        return self._child in self._ledger.outgrown_pids

    def ended(self, worker: WorkerProcess) -> None:
        assert self._child == worker.pid
        self._child = None
        self.events.append("ended")

    def close(self) -> None:
        assert self._child is None
        assert not self.is_closed
        self.events.append("closed")


class Ledger:
    """Gives as many accounts as `grants` says, and finds `outgrown_pids` too large."""

    def __init__(self, grants: int = 1000) -> None:
        self.grants = grants
        self.asked = 0
        self.outgrown_pids: set[int] = set()
        self.accounts: list[NotedAccount] = []

    def another(self) -> NotedAccount | None:
        self.asked += 1
        if self.grants == 0:
            return None
        self.grants -= 1
        return self.granted()

    def granted(self) -> NotedAccount:
        """Return an account that counts against nothing: somebody waited for it."""
        account = NotedAccount(self)
        self.accounts.append(account)
        return account

    @property
    def pids(self) -> list[int]:
        """Every process there was, by account."""
        return [pid for account in self.accounts for pid in account.pids]

    @property
    def open_accounts(self) -> list[NotedAccount]:
        return [account for account in self.accounts if not account.is_closed]
