"""Camera: frames go up one at a time, and what is found is drawn as it comes."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer
from tests.media_files import media_folder

pytestmark = [pytest.mark.photo, pytest.mark.model]

Visit = Callable[..., Visitor]

KIB = 1024

_DRAWN = """() => {
  const canvas = document.querySelector('.stage canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value) => value > 0);
}"""


def test_the_camera_shows_a_hand(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")

    visitor.button("Start camera").click()

    expect(visitor.page.locator(".findings li").first).to_contain_text("hand", timeout=30000)
    visitor.until(_DRAWN)
    expect(visitor.page.locator("dl.facts")).to_contain_text("WebSocket")
    assert visitor.figure("Lag").endswith("(median)")
    assert visitor.figure("Frame").startswith("640\u00d7360 px")
    assert visitor.figure("Quality") == "Full quality"


def test_a_video_file_shows_a_gesture(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")

    visitor.choose("Choose a video", media_folder() / "gesture_thumb_up_195_frames_720p.mp4")

    expect(visitor.page.locator(".findings")).to_contain_text("Thumb Up", timeout=30000)
    expect(visitor.page.locator("#announcements")).to_contain_text("Thumb Up", timeout=30000)


def test_stopping_lets_go_of_camera_and_frames(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    visitor.button("Start camera").click()
    visitor.until("window.framesSent > 5")

    visitor.button("Stop").click()

    visitor.until("document.querySelector('.stage video').srcObject === null")
    sent = visitor.evaluate("window.framesSent")
    visitor.page.wait_for_timeout(500)
    assert visitor.evaluate("window.framesSent") == sent


def test_another_task_takes_over_while_it_runs(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    visitor.button("Start camera").click()
    expect(visitor.page.locator(".findings li").first).to_contain_text("hand", timeout=30000)

    visitor.choose_task("hands")

    expect(visitor.page.locator(".findings li").first).to_contain_text("hand", timeout=30000)


def test_without_a_websocket_frames_go_as_requests(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server)
    visitor.page.add_init_script(
        "window.WebSocket = class { constructor() { setTimeout(() => this.onclose({ code: 1006 })); } close() {} };"
    )
    visitor.page.reload()
    visitor.open("camera")

    visitor.button("Start camera").click()

    expect(visitor.page.locator("dl.facts")).to_contain_text("HTTP requests", timeout=30000)
    expect(visitor.page.locator(".findings li").first).to_contain_text("hand", timeout=30000)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("frames", [200, pytest.param(3000, marks=pytest.mark.stress)])
def test_many_frames_leave_nothing_behind(server: RunningServer, visit: Visit, frames: int) -> None:
    """3,000 are half an hour at two frames a second, as fast as it goes."""
    visitor = visit(server, "camera")
    session = visitor.page.context.new_cdp_session(visitor.page)
    visitor.page.get_by_label("At most, frames a second").fill("60")

    def heap_bytes() -> int:
        session.send("HeapProfiler.collectGarbage")
        used = session.send("Runtime.getHeapUsage")["usedSize"]
        return int(used)

    visitor.button("Start camera").click()
    samples = []
    for part in range(1, 13):
        visitor.until(f"window.framesSent >= {part * frames // 12}", 400)
        samples.append(heap_bytes())
    held = visitor.evaluate("window.blobUrls.size")
    visitor.open("memory")

    # The first quarter warms up: code is compiled, the history of figures fills.
    settled = samples[3:]
    slope = statistics.linear_regression(range(len(settled)), settled).slope * 12 / frames
    assert slope * frames < 300 * KIB, f"{slope:.0f} bytes a frame: {samples}"
    assert held == 0
    assert visitor.evaluate("window.blobUrls.size") == 0


def test_leaving_a_video_file_leaves_no_blob_url(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    visitor.choose("Choose a video", media_folder() / "hand_202_frames.mp4")
    visitor.until("window.framesSent > 5")
    held = visitor.evaluate("window.blobUrls.size")

    visitor.open("photos")

    visitor.until("window.blobUrls.size === 0")
    assert held == 1


def test_what_is_found_last_is_said_though_nothing_comes_after_it(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")

    visitor.page.evaluate("""async () => {
      const { Findings } = await import('/static/js/ui/findings.js');
      window.said = [];
      const findings = new Findings((text) => window.said.push(text));
      for (const label of ['Pointing_Up', 'Victory', 'Thumb_Up']) {
        findings.show([{ landmarks: [], gesture: { label, score: 1 } }]);
      }
    }""")

    visitor.until("() => window.said.length === 2")
    assert visitor.page.evaluate("window.said") == ["Pointing Up", "Thumb Up"]
