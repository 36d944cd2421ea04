"""What becomes of a child that cannot be put into its sandbox as it should."""

from __future__ import annotations

from typing import Literal

SandboxPolicy = Literal["required", "best-effort"]
"""`required`: it does no work; `best-effort`: it works with what holds."""

Sockets = Literal["none", "pairs", "network"]
"""Which sockets a child may make: `pairs` are those that only it has both ends of, as an event loop needs one."""
