"""What the service runs on, as `ballast doctor` sees it: settings, FFmpeg, models, storage, and the memory limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from app.command import CommandRefused
from app.configuration import read_settings
from app.contradictions import LEAST_LIMIT_BYTES, SOURCES, VISION_LIMIT_BYTES, Contradiction, find_contradictions
from app.doctor.ffmpeg_checks import check_ffmpeg
from app.doctor.jobs_check import check_jobs
from app.doctor.sandbox_check import check_sandbox
from app.doctor.storage_checks import check_backend, check_storage
from app.domain.check import Check, failed, passed, warned
from app.domain.units import MIB
from app.memory.gauge import MemoryGauge, MemorySample
from app.memory.limit import MemoryLimit, find_limit
from app.models.assets import FileState, ModelAssets
from app.settings.variables import unread_variables


def check_service() -> Iterator[Check]:
    """Yield one finding after the other; where the settings are refused, nothing else can be looked at."""
    try:
        settings = read_settings()
    except CommandRefused as refused:
        fix = "correct the variable (docs/settings.md) and run this again: what depends on it comes after"
        yield failed("settings", "; ".join(refused.sentences), fix)
        return
    limit = find_limit(settings.memory.limit)
    yield from check_settings(unread_variables(type(settings)), find_contradictions(settings, limit))
    yield check_sandbox(settings.sandbox)
    yield from check_ffmpeg(settings.video)
    yield from check_models(ModelAssets(settings.models.dir))
    yield from check_storage(settings.storage)
    yield from check_backend(settings.storage)
    yield from check_jobs(settings.jobs)
    yield check_memory_limit(limit)
    yield check_memory_use(limit)
    yield check_group_kill(limit)


def check_settings(unread: Sequence[str], contradictions: Iterable[Contradiction]) -> Iterator[Check]:
    """Yield what is odd about the settings: what nothing reads, and what `ballast serve` refuses or warns of."""
    odd = [warned("settings", sentence, "correct the name, or unset it (docs/settings.md)") for sentence in unread]
    for one in contradictions:
        report = failed if one.refused else warned
        odd.append(report("settings", one.sentence, "see docs/settings.md"))
    yield from odd or [passed("settings", "valid")]


def check_models(assets: ModelAssets) -> Iterator[Check]:
    """Compare the digest of each model file; an optional one that is absent is not reported."""
    for model in assets.manifest.models:
        verdict = assets.verify(model.name)
        fix = f"run `ballast models {model.name}`"
        if verdict.content is not None:
            yield passed(model.name, f"{verdict.content.origin}, {verdict.size_bytes / MIB:.1f} MiB in {assets.folder}")
        elif verdict.state is FileState.DAMAGED:
            yield failed(model.name, f"damaged: its content is not an accepted one, in {assets.folder}", fix)
        elif model.default:
            yield failed(model.name, f"missing in {assets.folder}", fix)


def check_memory_limit(limit: MemoryLimit) -> Check:
    found = f"{limit.limit_bytes / MIB:,.0f} MiB, {SOURCES[limit.source]}"
    if not limit.is_of_group:
        found += "; the service keeps to it by itself, the kernel does not enforce it"
    if limit.limit_bytes < VISION_LIMIT_BYTES:
        fix = f"allow {VISION_LIMIT_BYTES // MIB} MiB at least: below, most vision requests are refused"
        return (failed if limit.limit_bytes < LEAST_LIMIT_BYTES else warned)("memory limit", found, fix)
    if limit.source == "physical":
        fix = "set BALLAST_MEMORY__LIMIT, or start the service in a control group with a limit"
        return warned("memory limit", found, fix)
    return passed("memory limit", found)


def check_memory_use(limit: MemoryLimit) -> Check:
    """Measure as the service will, and see whether it has room: in a group others may be, and machines have less."""
    gauge = MemoryGauge(limit)
    try:
        sample = gauge.sample()
    except OSError as error:
        return failed("memory in use", f"cannot be measured: {error}", "run with /proc and /sys/fs/cgroup mounted")
    finally:
        gauge.close()
    return judge_memory_use(sample)


def judge_memory_use(sample: MemorySample) -> Check:
    found = f"{sample.working_set_bytes / MIB:,.0f} MiB of {sample.limit_bytes / MIB:,.0f}"
    left_bytes = sample.available_bytes
    if sample.host_available_bytes is not None:
        found += f"; the machine has {sample.host_available_bytes / MIB:,.0f} MiB available"
        left_bytes = min(left_bytes, sample.host_available_bytes)
    if left_bytes < LEAST_LIMIT_BYTES:
        fix = "end what else runs in the control group or on the machine, or raise the limit"
        return failed("memory in use", found, f"{fix}: the service needs {LEAST_LIMIT_BYTES // MIB} MiB to begin with")
    return passed("memory in use", found)


def check_group_kill(limit: MemoryLimit) -> Check:
    """Tell whether the kernel, out of memory, would kill one process of the group or all at once."""
    if limit.group is None:
        return passed("oom.group", "no control group with the memory controller is visible")
    for level in limit.group.levels:
        try:
            together = (level / "memory.oom.group").read_text().strip() == "1"
        except OSError:
            continue
        if together:
            fix = "nothing to do: the governor stops the largest child itself before the kernel acts"
            return warned("oom.group", "1: out of memory, the kernel kills the whole group at once", fix)
    return passed("oom.group", "0: out of memory, the kernel kills one process, a child first")
