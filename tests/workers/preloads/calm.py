"""Notes which process loaded it."""

import os

LOADED_BY = os.getpid()
