"""Ballast: an HTTP media service that cannot run out of memory."""

__version__ = "0.1.0"
