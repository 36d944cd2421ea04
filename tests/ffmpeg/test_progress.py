from __future__ import annotations

from app.ffmpeg.progress import ProgressReader


def test_blocks_are_read_in_pieces_of_any_size() -> None:
    reader = ProgressReader()
    told = b"frame=12\nfps=0.0\nout_time_us=480000\nout_time_ms=480000\ntotal_size=2048\nprogress=end\n"

    for place in range(len(told)):
        reader.feed(told[place : place + 1])

    progress = reader.progress
    assert (progress.frames, progress.seconds, progress.size_bytes, progress.ended) == (12, 0.48, 2048, True)


def test_what_is_not_known_yet_is_nothing() -> None:
    reader = ProgressReader()

    reader.feed(b"frame=0\nout_time_us=N/A\ntotal_size=N/A\nout_time=-00:00:00.02\nprogress=continue\n")

    assert (reader.progress.seconds, reader.progress.size_bytes, reader.progress.ended) == (None, None, False)
