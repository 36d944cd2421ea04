"""Starts a thread, as a library should not."""

import threading
import time

threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
