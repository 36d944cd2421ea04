"""The verdict on a soak: each number beside the one that was promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.domain.pressure import PressureLevel
from app.domain.units import MIB
from soak.tally import Tally, percentile
from soak.watch import Sample, Watched

FIRST_TRY_SHARE = 0.95
PEAK_SHARE = 0.90
UNACCOUNTED_SHARE = 0.15
LIVE_P99_SECONDS = 0.050
SLOPE_BYTES = 2_000_000
"""Per 1000 photos."""

WARM_UP_SHARE = 0.2
"""Of the photos: models load and heaps fill before that, and a slope of it would say nothing."""

SLOPE_PHOTOS = 3000
"""Below so many photos the slope is told, not judged: it is that of heaps that breathe, not of a leak.

Measured per 1000 photos: six runs of 1000 photos gave +1.0, +1.9, +2.6, +2.5, +4.4 and -1.2 MB for the tree (this
service and the one before it), one of 3000 +0.2, runs of 4000 within 0.4. The error of a least-squares slope falls with
the length of the run and with the root of the number of samples, so with the power 1.5: +-4 at 1000 is +-0.8 at 3000.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `passed` is None where the number is told, not judged."""

    name: str
    found: str
    wanted: str = ""
    passed: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`remarks` are what one must know to read the rows."""

    rows: tuple[Row, ...]
    remarks: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return all(row.passed is not False for row in self.rows)

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)


def judge(tally: Tally, seen: Watched, limit_bytes: int, left: Sequence[str], remarks: Sequence[str]) -> Verdict:
    """Hold what was counted and seen against the promises. `left` is what the service had not given back at the end."""
    rows = [*_memory_rows(tally, seen, limit_bytes), *_answer_rows(tally), *_time_rows(tally)]
    rows.append(_counted("left behind", left))
    return Verdict(tuple(rows), tuple(remarks))


def render(verdict: Verdict) -> str:
    """Return the table as text."""
    marks = {True: "pass", False: "FAIL", None: ""}
    lines = [f"{'':28}{'found':<58}{'promised':<18}"]
    for row in verdict.rows:
        lines.append(f"{row.name:<28}{row.found:<58}{row.wanted:<18}{marks[row.passed]}".rstrip())
    lines += [f"note: {remark}" for remark in verdict.remarks]
    failed = [row.name for row in verdict.rows if row.passed is False]
    lines.append(f"failed: {', '.join(failed)}" if failed else "passed")
    return "\n".join(lines)


def slope_bytes(samples: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line through (x, y); 0 where x does not vary."""
    if not samples:
        return 0.0
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0.0


def _memory_rows(tally: Tally, seen: Watched, limit_bytes: int) -> Iterator[Row]:
    samples = seen.samples
    peak = max((sample.working_set_bytes for sample in samples), default=0)
    full_peak = max((sample.working_set_bytes + sample.uncharged_bytes for sample in samples), default=0)
    unaccounted = max((sample.unaccounted_bytes for sample in samples), default=0)
    highest = max(
        [PressureLevel[level] for _, level, _ in seen.levels] + [PressureLevel[sample.level] for sample in samples],
        default=PressureLevel.LOW,
    )
    shares = Counter(sample.level for sample in samples)
    spent = ", ".join(f"{name} {count / len(samples):.0%}" for name, count in shares.most_common())
    yield Row("OOM kills", str(seen.oom_kills), "0", seen.oom_kills == 0)
    found = _of(peak, limit_bytes)
    if full_peak - peak >= MIB:
        found += f"; {full_peak / MIB:.0f} with files others loaded"
    yield Row("peak working set", found, f"<= {PEAK_SHARE:.0%}", full_peak <= PEAK_SHARE * limit_bytes)
    yield Row("highest level", f"{highest.name} ({spent})", "below CRITICAL", highest < PressureLevel.CRITICAL)
    yield Row(
        "unaccounted, at most",
        _of(unaccounted, limit_bytes),
        f"< {UNACCOUNTED_SHARE:.0%}",
        unaccounted < UNACCOUNTED_SHARE * limit_bytes,
    )
    reserved = max((sample.reserved_bytes for sample in samples), default=0)
    yield Row("reserved, at most", _of(reserved, limit_bytes))
    yield from _slope_rows(tally, samples)


def _slope_rows(tally: Tally, samples: Sequence[Sample]) -> Iterator[Row]:
    is_judged = tally.photos_done >= SLOPE_PHOTOS  # the last sample may be some photos earlier
    for name, values in (
        ("RSS slope, tree", [sample.tree_rss_bytes for sample in samples]),
        ("RSS slope, API", [sample.api_rss_bytes for sample in samples]),
    ):
        found, slope = _slope(samples, values)
        if is_judged:
            yield Row(name, found, f"within {SLOPE_BYTES / 1e6:.0f} MB", abs(slope) < SLOPE_BYTES)
        else:
            yield Row(name, found, f"judged from {SLOPE_PHOTOS} on")


def _slope(samples: Sequence[Sample], values: Sequence[int]) -> tuple[str, float]:
    """Return the growth per 1000 photos, in words and in bytes."""
    photos = samples[-1].photos_done if samples else 0
    points = [
        (float(sample.photos_done), float(value))
        for sample, value in zip(samples, values, strict=True)
        # When the photos are through, streams are granted trackers: that is no growth with photos.
        if WARM_UP_SHARE * photos <= sample.photos_done < photos
    ]
    slope = slope_bytes(points) * 1000
    first, last = (values[0], values[-1]) if values else (0, 0)
    return f"{slope / 1e6:+.1f} MB / 1000 photos ({first / MIB:.0f} -> {last / MIB:.0f} MiB)", slope


def _answer_rows(tally: Tally) -> Iterator[Row]:
    share = tally.first_try / tally.photos_done if tally.photos_done else 0.0
    yield Row("photos", f"{tally.photos_done} in {tally.elapsed_seconds:.0f} s, {_counts(tally.photo_answers)}")
    yield Row("200 on the first try", f"{share:.1%}", f">= {FIRST_TRY_SHARE:.0%}", share >= FIRST_TRY_SHARE)
    if len(tally.photo_tasks) > 1:
        yield Row("photos by task", _counts(tally.photo_tasks))
    yield Row("modes of photos", _counts(tally.photo_modes))
    if tally.image_answers:
        yield Row("images", f"{tally.image_answers.total()}, {_counts(tally.image_answers)}")
    if tally.job_ends:
        yield Row("jobs", _counts(tally.job_ends))
    yield Row("frames", f"{tally.frames_sent} sent, {_counts(tally.frame_answers)}")
    yield Row("modes of frames", _counts(tally.frame_modes))
    yield _counted("other answers", [f"{count} x {name}" for name, count in tally.wrong_answers.most_common()])
    yield _counted("lost connections", tally.lost)
    if tally.upload_seconds:
        rate = tally.uploaded_bytes / 1e6 / tally.upload_seconds
        found = f"{tally.upload_status}, {tally.uploaded_bytes / MIB:.0f} MiB in {tally.upload_seconds:.1f} s"
        yield Row("upload", f"{found} ({rate:.0f} MB/s)", "201", tally.upload_status == 201)


def _time_rows(tally: Tally) -> Iterator[Row]:
    yield Row("photo p50/p95/p99", _percentiles(tally.photo_seconds))
    if tally.image_seconds:
        yield Row("image p50/p95/p99", _percentiles(tally.image_seconds))
    if tally.job_seconds:
        yield Row("job p50/p95/p99", _percentiles(tally.job_seconds))
    yield Row("frame lag p50/p95/p99", _percentiles(tally.frame_seconds))
    live = percentile(tally.live_seconds, 0.99)
    found = f"{_percentiles(tally.live_seconds)}, max {max(tally.live_seconds, default=0) * 1000:.0f}"
    wanted = f"p99 <= {LIVE_P99_SECONDS * 1000:.0f} ms"
    yield Row("/health/live p50/p95/p99", found, wanted, bool(tally.live_seconds) and live <= LIVE_P99_SECONDS)
    yield Row("the generator's own lag", _percentiles(tally.own_seconds))


def _counted(name: str, faults: Sequence[str]) -> Row:
    more = f" and {len(faults) - 2} more" if len(faults) > 2 else ""
    return Row(name, "; ".join(faults[:2]) + more if faults else "0", "0", not faults)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counter.most_common()) or "none"


def _percentiles(seconds: Sequence[float]) -> str:
    return " / ".join(f"{percentile(seconds, share) * 1000:.0f}" for share in (0.50, 0.95, 0.99)) + " ms"


def _of(nbytes: int, limit_bytes: int) -> str:
    return f"{nbytes / MIB:.0f} of {limit_bytes / MIB:.0f} MiB ({nbytes / limit_bytes:.0%})"
