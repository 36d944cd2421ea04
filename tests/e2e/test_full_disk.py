"""A disk that is full in any way is 507, and works again when there is room."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.power import power_disk
from tests.e2e.server import problem_of, run_server
from tests.samples import png

IMAGE = {"Content-Type": "image/png"}
TUS = {"Tus-Resumable": "1.0.0"}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_disk_without_inodes_is_full(tmp_path: Path) -> None:
    with (
        power_disk(tmp_path, 32 << 20, "-N", "128") as disk,
        run_server(tmp_path) as server,
        server.client() as client,
    ):
        begun = client.post("/v1/uploads", headers={**TUS, "Upload-Length": str(len(png()))}).headers["location"]
        fillers: list[Path] = []
        try:
            while True:
                fillers.append(disk.folder / f"filler-{len(fillers)}")
                fillers[-1].touch()
        except OSError:
            pass

        problem_of(client.post("/v1/media", content=png(), headers=IMAGE), 507, "storage_full")
        problem_of(client.post("/v1/uploads", headers={**TUS, "Upload-Length": "100"}), 507, "storage_full")
        piece = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        problem_of(client.patch(begun, content=png(), headers=piece), 507, "storage_full")
        for filler in fillers:
            filler.unlink(missing_ok=True)

        assert client.post("/v1/media?inline=never", content=png(), headers=IMAGE).status_code == 201
        finished = client.head(begun, headers=TUS)
        assert finished.headers["ballast-media-id"]
        server.expect_in_log("the system refused|stays behind|No space left")
