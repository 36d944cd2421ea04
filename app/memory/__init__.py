"""The governor: knows bytes, nothing of pixels."""
