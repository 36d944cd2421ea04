"""Values in a filter graph: FFmpeg reads them twice, and a path may hold what it takes for its own signs."""

from __future__ import annotations

from pathlib import Path

_OPTION_SIGNS = "\\':"
_GRAPH_SIGNS = "\\'[],;"


def filter_path(path: Path) -> str:
    """Return an absolute path as the value of a filter's option (ffmpeg-filters, "Notes on filtergraph escaping")."""
    return _escaped(_escaped(str(path.absolute()), _OPTION_SIGNS), _GRAPH_SIGNS)


def _escaped(text: str, signs: str) -> str:
    return "".join(f"\\{character}" if character in signs else character for character in text)
