"""Starts a thread when SIGUSR1 comes."""

import signal
import threading
import time
from types import FrameType


def _start(_number: int, _frame: FrameType | None) -> None:
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()


signal.signal(signal.SIGUSR1, _start)
