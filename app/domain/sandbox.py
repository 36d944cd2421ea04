"""What becomes of a child that cannot be put into its sandbox as it should."""

from __future__ import annotations

from typing import Literal

SandboxPolicy = Literal["required", "best-effort"]
"""`required`: it does no work; `best-effort`: it works with what holds."""
