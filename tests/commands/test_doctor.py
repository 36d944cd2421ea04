"""`ballast doctor`: each finding has a state, and what is wrong comes with how to fix it."""

from __future__ import annotations

import errno
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.__main__ import main
from app.contradictions import Contradiction
from app.doctor.ffmpeg_checks import check_ffmpeg
from app.doctor.machine_checks import (
    check_library,
    check_packages,
    check_python,
    check_start,
    check_zygote,
)
from app.doctor.sandbox_check import check_sandbox, judge_sandbox
from app.doctor.service_checks import (
    check_group_kill,
    check_memory_limit,
    check_memory_use,
    check_models,
    check_settings,
    judge_memory_use,
)
from app.doctor.storage_checks import check_backend, check_storage
from app.domain.check import Status
from app.domain.units import GIB, MIB
from app.memory.cgroup import Cgroup
from app.memory.gauge import MemorySample
from app.memory.limit import MemoryLimit, find_limit
from app.models.assets import ModelAssets, load_manifest
from app.settings import StorageSettings, VideoSettings
from tests.storage.s3_server import S3Server


def run(*arguments: str) -> int:
    return main(["doctor", *arguments])


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_python_that_is_too_old_fails() -> None:
    assert check_python((3, 10, 9)).status is Status.FAIL
    assert check_python((3, 11, 0)).status is Status.OK


def test_an_absent_package_fails_and_a_present_one_shows_its_version_without_being_imported() -> None:
    absent = check_packages("packages", {"no-such-thing": "no_such_thing"})
    present = check_packages("packages", {"mypy": "mypy"})

    assert absent.status is Status.FAIL
    assert "no-such-thing" in absent.found
    assert present.status is Status.OK
    assert present.found.startswith("mypy ")
    assert "mypy" not in sys.modules


def test_a_library_that_does_not_load_fails_with_the_package_that_has_it() -> None:
    check = check_library("libNoSuchThing.so.1", "libnosuchthing1")

    assert check.status is Status.FAIL
    assert "apt-get install --no-install-recommends libnosuchthing1" in check.fix


def test_a_library_of_every_system_loads() -> None:
    assert check_library("libc.so.6", "libc6").status is Status.OK


@pytest.mark.parametrize(
    ("script", "status", "found"),
    [
        ("echo ffmpeg version 5.1.9 Copyright", Status.OK, "5.1.9"),
        ("exit 3", Status.WARN, "does not run"),
        (None, Status.WARN, "not on PATH"),
    ],
)
def test_ffmpeg_is_asked_for_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, status: Status, found: str
) -> None:
    if script is not None:
        program(tmp_path, "ffmpeg", script)
    monkeypatch.setenv("PATH", str(tmp_path))

    check = next(check_ffmpeg(VideoSettings()))

    assert check.status is status
    assert found in check.found


def test_ffmpeg_is_looked_for_where_the_settings_say(tmp_path: Path) -> None:
    program(tmp_path, "mine", "echo ffmpeg version 9.9 Copyright")

    check = next(check_ffmpeg(VideoSettings(ffmpeg=tmp_path / "mine")))

    assert check.found == f"9.9 ({tmp_path / 'mine'})"


def test_codecs_that_cannot_be_encoded_are_named_with_those_that_can(tmp_path: Path) -> None:
    lines = " V....D libx264 H.264\n A....D aac AAC\n A....D libopus Opus"
    program(tmp_path, "mine", f"[ $1 = -version ] && echo ffmpeg version 9.9 || printf '{lines}\n'")

    *_, check = check_ffmpeg(VideoSettings(ffmpeg=tmp_path / "mine"))

    assert (check.name, check.status) == ("encoders", Status.WARN)
    assert check.found == "h264; aac, opus; missing: hevc, vp9, av1, mp3, wav"
    assert "refused" in check.fix


def test_the_sandbox_is_tried_out_in_a_child_and_not_here() -> None:
    check = check_sandbox("required")

    score = Path("/proc/self/oom_score_adj").read_text()
    assert check.status in (Status.OK, Status.WARN)
    assert int(score) < 900
    if check.status is Status.OK:
        assert "what it tried was refused" in check.found


def test_a_sandbox_that_lets_something_through_fails_whatever_it_says_of_itself() -> None:
    check = judge_sandbox({"missing": [], "landlock": 5, "shortfall": [], "escapes": ["open a socket"]})

    assert check.status is Status.FAIL
    assert "open a socket" in check.found
    assert check.fix


def test_a_sandbox_with_holes_fails_where_it_is_required_and_is_warned_of_elsewhere() -> None:
    report = {"missing": ["files", "system calls"], "landlock": 0, "shortfall": ["system calls"], "escapes": []}

    required, best_effort = judge_sandbox(report), judge_sandbox({**report, "shortfall": []})

    assert (required.status, best_effort.status) == (Status.FAIL, Status.WARN)
    assert "BALLAST_SANDBOX=best-effort" in required.fix
    assert "Landlock" in best_effort.fix
    assert "seccomp" in best_effort.fix


def test_a_child_is_really_forked() -> None:
    check = check_zygote()

    assert check.status is Status.OK
    assert "forked" in check.found


def test_why_no_child_can_be_forked_is_told() -> None:
    check = check_start("exec", "children are forked on Linux only")

    assert check.status is Status.WARN
    assert "Linux only" in check.found
    assert check.fix


def test_default_models_must_be_there_and_optional_ones_need_not(tmp_path: Path) -> None:
    names = [check.name for check in check_models(ModelAssets(tmp_path))]

    assert names == [model.name for model in load_manifest().defaults()]
    assert "pose_landmarker_full.task" not in names


def test_a_damaged_optional_model_fails(tmp_path: Path) -> None:
    (tmp_path / "face_landmarker.task").write_bytes(b"damaged")

    by_name = {check.name: check for check in check_models(ModelAssets(tmp_path))}

    assert by_name["face_landmarker.task"].status is Status.FAIL
    assert "ballast models face_landmarker.task" in by_name["face_landmarker.task"].fix


def test_a_storage_root_that_is_not_there_yet_will_be_made(tmp_path: Path) -> None:
    root, _, free = check_storage(StorageSettings(root=tmp_path / "a" / "b", free_floor=1))

    assert root.status is Status.OK
    assert "will be made" in root.found
    assert not (tmp_path / "a").exists()
    assert free.status is Status.OK


def test_a_storage_root_in_the_place_of_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    root, *_ = check_storage(StorageSettings(root=tmp_path / "file"))

    assert root.status is Status.FAIL


def test_a_disk_below_the_floor_fails(tmp_path: Path) -> None:
    *_, free = check_storage(StorageSettings(root=tmp_path, free_floor=1 << 60))

    assert free.status is Status.FAIL


def test_a_back_end_that_is_not_there_fails() -> None:
    (check,) = check_backend(StorageSettings(backend="tape"))

    assert check.status is Status.FAIL
    assert "only local, s3" in check.found


def test_the_disk_is_written_to_synced_and_left_as_it_was(tmp_path: Path) -> None:
    root, *_ = check_storage(StorageSettings(root=tmp_path, free_floor=1))

    assert root.status is Status.OK
    assert "written, synced, renamed and read" in root.found
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_does_not_sync_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)

    root, *_ = check_storage(StorageSettings(root=tmp_path, free_floor=1))

    assert root.status is Status.FAIL
    assert "syncing a file: Input/output error" in root.found
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_is_really_asked(s3: S3Server, tmp_path: Path) -> None:
    (check,) = check_backend(s3.settings(tmp_path / "root", "doctor"))

    assert (check.name, check.status) == ("object store", Status.OK)
    assert f"bucket {s3.bucket} at {s3.endpoint}" in check.found
    assert s3.files("doctor") == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"s3_bucket": "films"}, "BALLAST_STORAGE__S3_BUCKET"),
        ({"s3_access_key": "nobody"}, "BALLAST_STORAGE__S3_ACCESS_KEY"),
        ({"s3_secret_key": "wrong-secret"}, "BALLAST_STORAGE__S3_SECRET_KEY"),
        ({"s3_endpoint": "http://127.0.0.1:9"}, "BALLAST_STORAGE__S3_ENDPOINT"),
    ],
)
def test_a_bucket_that_cannot_be_used_fails_by_the_setting_that_is_wrong(
    s3: S3Server, tmp_path: Path, wrong: dict[str, str], words: str
) -> None:
    (check,) = check_backend(s3.settings(tmp_path / "root", **wrong))

    assert check.status is Status.FAIL
    assert words in check.found
    assert "wrong-secret" not in check.found


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no tmpfs at hand")
@pytest.mark.parametrize(("allowed", "status"), [(False, Status.FAIL), (True, Status.WARN)])
def test_a_storage_root_in_memory_is_told_of(allowed: bool, status: Status) -> None:
    _, file_system, _ = check_storage(StorageSettings(root=Path("/dev/shm/ballast"), allow_tmpfs=allowed))

    assert file_system.status is status
    assert "memory" in file_system.found


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        (MemoryLimit(512 * MIB, "cgroup2", 8 * GIB), Status.OK),
        (MemoryLimit(512 * MIB, "setting", 8 * GIB), Status.OK),
        (MemoryLimit(100 * MIB, "setting", 8 * GIB), Status.WARN),
        (MemoryLimit(32 * MIB, "setting", 8 * GIB), Status.FAIL),
        (MemoryLimit(4 * GIB, "physical", 8 * GIB), Status.WARN),
    ],
)
def test_the_memory_limit_is_told_with_its_source(limit: MemoryLimit, status: Status) -> None:
    check = check_memory_limit(limit)

    assert check.status is status
    assert f"{limit.limit_bytes // MIB:,} MiB" in check.found


@pytest.mark.parametrize(("text", "status"), [("1\n", Status.WARN), ("0\n", Status.OK), (None, Status.OK)])
def test_a_kernel_that_would_kill_the_whole_group_is_told_of(tmp_path: Path, text: str | None, status: Status) -> None:
    if text is not None:
        (tmp_path / "memory.oom.group").write_text(text)
    limit = MemoryLimit(512 * MIB, "cgroup2", 8 * GIB, Cgroup(2, (tmp_path,)))

    assert check_group_kill(limit).status is status


@pytest.mark.parametrize(
    ("used_bytes", "available_bytes", "status"),
    [
        (50 * MIB, 4 * GIB, Status.OK),
        (50 * MIB, None, Status.OK),
        (250 * MIB, 4 * GIB, Status.FAIL),
        (50 * MIB, 40 * MIB, Status.FAIL),
    ],
)
def test_a_limit_that_others_have_used_up_fails(used_bytes: int, available_bytes: int | None, status: Status) -> None:
    sample = MemorySample(
        working_set_bytes=used_bytes,
        limit_bytes=300 * MIB,
        limit_source="cgroup2",
        host_available_bytes=available_bytes,
        psi=None,
        oom_kills=0,
        oom_group=False,
        processes=(),
        sampled_at=datetime.now(UTC),
        monotonic_seconds=0.0,
    )

    check = judge_memory_use(sample)

    assert check.status is status
    assert f"{used_bytes // MIB} MiB of 300" in check.found


def test_the_memory_in_use_is_measured() -> None:
    check = check_memory_use(find_limit(None))

    assert (check.name, check.status) == ("memory in use", Status.OK)


def test_what_is_odd_about_the_settings_is_told_of() -> None:
    unread, refused, warned = check_settings(
        ["a typing error?"], [Contradiction("bad", True), Contradiction("odd", False)]
    )

    assert [check.status for check in check_settings([], [])] == [Status.OK]
    assert (unread.status, refused.status, warned.status) == (Status.WARN, Status.FAIL, Status.WARN)
    assert (unread.found, refused.found, warned.found) == ("a typing error?", "bad", "odd")


def test_refused_settings_fail_and_the_exit_code_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BALLAST_SERVER__HOST", "0.0.0.0")
    monkeypatch.delenv("BALLAST_SERVER__API_KEYS", raising=False)

    code = run()

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert any(line.startswith(" FAIL  settings") and "BALLAST_SERVER__API_KEYS" in line for line in lines)


def test_what_is_wrong_always_says_how_to_fix_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BALLAST_MODELS__DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    code = run("--json")

    checks = json.loads(capsys.readouterr().out)["checks"]
    assert code == 1
    assert {"ffmpeg", "hand_landmarker.task"} <= {check["name"] for check in checks if check["status"] != "ok"}
    assert all(check["fix"] for check in checks if check["status"] != "ok")
