"""A video element plays from the middle of a video that is far too large to be loaded."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Response

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

GAP_BYTES = 2 * 1024**3

_SEEK = """
async ([url, at]) => {
  const video = document.createElement('video');
  video.muted = true;
  video.preload = 'metadata';
  const next = (name) => new Promise((resolve, reject) => {
    video.addEventListener(name, resolve, { once: true });
    video.addEventListener('error', () => reject(new Error(video.error?.message ?? 'error')), { once: true });
  });
  document.body.append(video);
  video.src = url;
  await next('loadedmetadata');
  const sought = next('seeked');
  video.currentTime = at;
  await sought;
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [1, 1];
  const context = canvas.getContext('2d');
  let colour;
  for (let tries = 0; tries < 400; tries += 1) {  // until the frame is painted: black
    context.drawImage(video, 0, 0, 1, 1);
    colour = [...context.getImageData(0, 0, 1, 1).data];
    if (colour[0] + colour[1] + colour[2] > 0) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const found = { duration: video.duration, at: video.currentTime, colour };
  video.removeAttribute('src');  // else it goes on loading, also when the item is deleted
  video.load();
  video.remove();
  return found;
}
"""


def make_video(folder: Path) -> tuple[bytes, bytes]:
    """Return the two parts of a video of 60 s, first red, then blue, between which `GAP_BYTES` of nothing belong.

    The gap is inside of its `mdat` box (ISO/IEC 14496-12): what is behind it, half of the frames and the index, lies
    beyond 2 GiB, and the offsets in the index (`stco`) say so.
    """
    path = folder / "small.mp4"
    colours = ["-f", "lavfi", "-i", "color=red:s=64x64:r=10:d=30", "-f", "lavfi", "-i", "color=blue:s=64x64:r=10:d=30"]
    sound = ["-f", "lavfi", "-t", "60", "-i", "anullsrc=r=8000:cl=mono"]  # between its pieces the frames are in many
    join = ["-filter_complex", "[0][1]concat=n=2[v]", "-map", "[v]", "-map", "2:a", "-g", "10", "-pix_fmt", "yuv420p"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *colours, *sound, *join, str(path)], check=True, timeout=60)
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") - 4
    (size,) = struct.unpack_from(">I", data, begin)
    tables = [_chunk_offsets(data, at) for at in _positions(data, b"stco", begin + size)]
    cut = min(offset for _, offsets in tables for offset in offsets if offset >= begin + size // 2)
    for at, offsets in tables:
        moved = [offset + GAP_BYTES if offset >= cut else offset for offset in offsets]
        struct.pack_into(f">{len(moved)}I", data, at, *moved)
    struct.pack_into(">I", data, begin, size + GAP_BYTES)
    return bytes(data[:cut]), bytes(data[cut:])


def _positions(data: bytes | bytearray, name: bytes, start: int) -> Iterator[int]:
    while (start := data.find(name, start)) >= 0:
        yield start
        start += len(name)


def _chunk_offsets(data: bytes | bytearray, at: int) -> tuple[int, tuple[int, ...]]:
    """Return where the entries of a `stco` box are, and the entries."""
    (count,) = struct.unpack_from(">I", data, at + 8)
    return at + 12, struct.unpack_from(f">{count}I", data, at + 12)


def upload(server: RunningServer, before: bytes, after: bytes) -> str:
    def body() -> Iterator[bytes]:
        nothing = bytes(1024 * 1024)
        yield before
        for _ in range(GAP_BYTES // len(nothing)):
            yield nothing
        yield after

    answer = httpx.post(f"{server.url}/v1/media?inline=never&name=long.mp4", content=body(), timeout=120)
    assert answer.status_code == 201, answer.text
    assert answer.json()["sizeBytes"] == len(before) + GAP_BYTES + len(after)
    media_id: str = answer.json()["id"]
    return media_id


def test_a_video_of_2_gigabytes_is_sought_in(
    server: RunningServer, visit: Callable[..., Visitor], tmp_path: Path
) -> None:
    media_id = upload(server, *make_video(tmp_path))
    visitor = visit(server)
    ranges: list[str] = []

    def note(response: Response) -> None:
        if media_id in response.url and response.status == 206:
            ranges.append(response.headers["content-range"])

    visitor.page.on("response", note)
    url = f"/v1/media/{media_id}/content"
    early = visitor.page.evaluate(_SEEK, [url, 10])
    late = visitor.page.evaluate(_SEEK, [url, 50])
    item = f"{server.url}{url.removesuffix('/content')}"
    eventually(lambda: httpx.delete(item).status_code == 204)  # until the browser has hung up it is being read

    assert early["duration"] == pytest.approx(60, abs=0.5)
    assert (early["at"], late["at"]) == (10, 50)
    red, _, blue, _ = early["colour"]
    assert red > 200 > 50 > blue
    red, _, blue, _ = late["colour"]
    assert blue > 200 > 50 > red
    assert max(int(one.removeprefix("bytes ").partition("-")[0]) for one in ranges) >= GAP_BYTES
