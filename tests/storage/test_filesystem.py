from __future__ import annotations

from pathlib import Path

import pytest

from app.storage.filesystem import UnusableRoot, file_system_type, free_bytes, refuse_memory

MOUNTS = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:25 / {root}/fast rw shared:5 - tmpfs tmpfs rw
31 30 8:2 / {root}/fast/disk rw - xfs /dev/sdb rw
32 22 0:26 / {root}/with\040space rw - tmpfs none rw
33 22 0:27 / {root}/twice rw - tmpfs none rw
34 22 8:3 / {root}/twice rw - btrfs /dev/sdc rw
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("elsewhere", "ext4"),
        ("fast", "tmpfs"),
        ("fastlane", "ext4"),
        ("fast/disk", "xfs"),
        ("with space", "tmpfs"),
        ("twice", "btrfs"),
    ],
)
def test_the_nearest_and_latest_mount_decides(folder: str, expected: str, tmp_path: Path) -> None:
    place = tmp_path / folder
    place.mkdir(parents=True)
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(MOUNTS.replace("{root}", str(tmp_path.resolve())))

    assert file_system_type(place, mountinfo) == expected
    assert file_system_type(place / "not" / "yet" / "there", mountinfo) == expected


def test_without_mountinfo_the_type_is_unknown(tmp_path: Path) -> None:
    assert file_system_type(tmp_path, tmp_path / "missing") is None


@pytest.mark.skipif(file_system_type(Path("/dev/shm")) != "tmpfs", reason="no tmpfs at /dev/shm")
def test_a_folder_in_memory_is_refused_with_one_sentence() -> None:
    with pytest.raises(UnusableRoot, match="tmpfs, which is memory: put BALLAST_STORAGE__ROOT on a disk"):
        refuse_memory(Path("/dev/shm/ballast-not-there"))


def test_a_folder_has_free_bytes(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) > 0
