"""Loudness by EBU R128 (ITU-R BS.1770): measured, and brought to a target by one gain for the whole of it.

The gain is the same from the beginning to the end, as in the linear mode of FFmpeg's `loudnorm`, which falls back to
changing it all the time where peaks would be too high. Here a limiter with four times the samples keeps the peaks
below -1 dBTP, and what came out is measured again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import log10
from pathlib import Path

from app.ffmpeg.filter_text import filter_path

SILENCE_LUFS = -69.0
"""What is not louder has nothing that could be measured: the meter begins at -70 and needs 0.4 s."""

PEAK_DBTP = -1.0
"""The highest true peak that is left (EBU R128, 2023: -1 dBTP for production)."""

READ_BYTES = 8192
"""The end of the meter's file that has the last measurement whole: 400 bytes for two channels, 1 KB for eight."""

BYTES_A_SECOND = 12_000
"""What the meter's file takes for a second of sound at most: ten measurements of up to eight channels."""

_OVERSAMPLED = 192_000
_VALUE = re.compile(r"lavfi\.r128\.(I|true_peaks_ch\d+)=(-?[0-9.]+|-?inf|-?nan)\s")


@dataclass(frozen=True, slots=True)
class Loudness:
    """Integrated loudness in LUFS and true peak in dBTP; None: there is only silence, or too little sound."""

    integrated_lufs: float | None
    true_peak_dbtp: float | None


def meter(target: Path) -> str:
    """Return the filters that write the running measurement to a file."""
    return f"ebur128=metadata=1:peak=true,ametadata=mode=print:file={filter_path(target)}"


def read_meter(tail: str) -> Loudness:
    """Read the last measurement of a meter's file from its last `READ_BYTES`; an empty one is silence."""
    last: dict[str, float] = {}
    for name, value in _VALUE.findall(tail[tail.rfind("frame:") :]):
        last[name] = float(value)
    integrated = last.pop("I", SILENCE_LUFS)
    peak = max(last.values(), default=0.0)
    if not integrated > SILENCE_LUFS or not peak > 0:
        return Loudness(None, None)
    return Loudness(integrated, round(20 * log10(peak), 3))


def gain(gain_db: float, measured: Loudness) -> str:
    """Return the filters that make sound louder by `gain_db` and keep its peaks below `PEAK_DBTP`.

    The limiter is left out where it would have nothing to do.
    """
    volume = f"volume={gain_db:.3f}dB:precision=float"
    if measured.true_peak_dbtp is not None and measured.true_peak_dbtp + gain_db <= PEAK_DBTP:
        return volume
    limit = 10 ** ((PEAK_DBTP - 0.1) / 20)
    return f"{volume},aresample={_OVERSAMPLED},alimiter=limit={limit:.5f}:level=disabled:attack=5:release=50"
