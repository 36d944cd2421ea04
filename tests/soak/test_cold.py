from __future__ import annotations

from pathlib import Path

from soak.cold import drop_from_cache, program_folders


def test_every_file_of_the_program_is_asked_to_leave_the_cache_once(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("a", "below/b"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "gone").symlink_to("nowhere")

    assert drop_from_cache([tmp_path]) == 2
    folders = program_folders(tmp_path)
    assert tmp_path.resolve() in folders
    assert not [one for one in folders if any(other in one.parents for other in folders)]
