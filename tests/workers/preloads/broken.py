"""Cannot be loaded."""

raise RuntimeError("a system library is missing")
