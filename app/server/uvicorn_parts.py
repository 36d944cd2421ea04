"""What is used of uvicorn, without its command line: that alone takes 1.6 MB, and nobody here calls it.

uvicorn's package imports its command line (click, the reloading supervisors, `multiprocessing`) as soon as any part of
it is. Here the package is laid out without running its `__init__`; where somebody has imported it whole, that is
used.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import PathFinder


def _lay_out() -> None:
    if "uvicorn" not in sys.modules:
        spec = PathFinder.find_spec("uvicorn")
        if spec is None:
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        sys.modules["uvicorn"] = importlib.util.module_from_spec(spec)


_lay_out()

from uvicorn.config import Config  # noqa: E402
from uvicorn.server import Server, ServerState  # noqa: E402

for part in (Config, Server):  # its own parts, and who uses it beside us, ask the package for these
    vars(sys.modules["uvicorn"]).setdefault(part.__name__, part)

__all__ = ["ServerState"]
