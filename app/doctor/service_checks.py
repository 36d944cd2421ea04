"""What the service runs on, as `ballast doctor` sees it: settings, model files, storage, and the memory limit."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.command import CommandRefused
from app.configuration import read_settings
from app.doctor.machine_checks import check_sandbox
from app.domain.check import Check, failed, passed, warned
from app.domain.units import MIB
from app.memory.limit import LimitSource, MemoryLimit, find_limit
from app.models.assets import FileState, ModelAssets
from app.settings import StorageSettings
from app.settings.variables import unknown_variables
from app.storage.discovery import find_backend
from app.storage.filesystem import UnusableRoot, file_system_type, free_bytes, nearest_existing, refuse_memory

_LEAST_LIMIT_BYTES = 200 * MIB
"""The API (64 MiB), the zygote and one child (some 80 MiB), inside the 0.85 that may be reserved: `ballast soak --limit
200M` passes."""

_SOURCES: dict[LimitSource, str] = {
    "cgroup2": "of the control group (v2)",
    "cgroup1": "of the control group (v1)",
    "setting": "from BALLAST_MEMORY__LIMIT",
    "physical": "half of physical memory",
}


def check_service() -> Iterator[Check]:
    """Yield one finding after the other; where the settings are refused, nothing else can be looked at."""
    try:
        settings = read_settings()
    except CommandRefused as refused:
        fix = "correct the variable (docs/settings.md) and run this again: models, storage and memory come after it"
        yield failed("settings", "; ".join(refused.sentences), fix)
        return
    yield check_variables(unknown_variables(type(settings)))
    yield check_sandbox(settings.sandbox)
    yield from check_models(ModelAssets(settings.models.dir))
    yield from check_storage(settings.storage)
    yield from check_backend(settings.storage)
    limit = find_limit(settings.memory.limit)
    yield check_memory_limit(limit)
    yield check_group_kill(limit)


def check_variables(unknown: list[str]) -> Check:
    if unknown:
        fix = "correct the name, or unset it; `docs/settings.md` lists the names"
        return warned("settings", f"valid, but nothing reads {', '.join(unknown)}", fix)
    return passed("settings", "valid")


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


def check_storage(settings: StorageSettings) -> Iterator[Check]:
    root = settings.root.absolute()
    ground = nearest_existing(root)
    problem = _unwritable(ground)
    if problem:
        fix = "give the user of the service the right to write there, or set BALLAST_STORAGE__ROOT"
        yield failed("storage root", f"{root} cannot be used: {problem}", fix)
    else:
        yield passed("storage root", f"{root}, {'writable' if ground == root else 'will be made at the first start'}")
    yield _check_file_system(root, settings.allow_tmpfs)
    yield _check_free_space(ground, settings.free_floor)


def check_backend(settings: StorageSettings) -> Iterator[Check]:
    """Yield what the storage back end has to tell."""
    try:
        backend = find_backend(settings)
    except UnusableRoot as error:
        yield failed("storage back end", str(error), "set BALLAST_STORAGE__BACKEND to one of them")
    else:
        yield from backend.checks(settings)


def _unwritable(folder: Path) -> str | None:
    """Return why no file can be made in `folder`; only trying tells (read-only mounts, quotas, root's powers)."""
    if not folder.is_dir():
        return f"{folder} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"{folder}: {error.strerror}"


def _check_file_system(root: Path, allowed_in_memory: bool) -> Check:
    try:
        refuse_memory(root)
    except UnusableRoot as refused:
        report = warned if allowed_in_memory else failed
        return report("file system", str(refused), "put BALLAST_STORAGE__ROOT on a disk")
    return passed("file system", file_system_type(root) or "of unknown type")


def _check_free_space(ground: Path, floor_bytes: int) -> Check:
    free = free_bytes(ground)
    found = f"{free / MIB:,.0f} MiB free, of which {floor_bytes / MIB:,.0f} are never touched"
    if free <= floor_bytes:
        return failed("free space", found, "delete something, or set BALLAST_STORAGE__ROOT to a larger disk")
    return passed("free space", found)


def check_memory_limit(limit: MemoryLimit) -> Check:
    found = f"{limit.limit_bytes / MIB:,.0f} MiB, {_SOURCES[limit.source]}"
    if limit.limit_bytes < _LEAST_LIMIT_BYTES:
        fix = f"allow {_LEAST_LIMIT_BYTES // MIB} MiB at least: below, most vision requests are refused"
        return warned("memory limit", found, fix)
    if limit.source == "physical":
        fix = "set BALLAST_MEMORY__LIMIT, or start the service in a control group with a limit"
        return warned("memory limit", found, fix)
    return passed("memory limit", found)


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
