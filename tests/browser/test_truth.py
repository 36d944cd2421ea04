"""What the page shows is true: old results look old, one level everywhere, peaks, and estimates of what is sent now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.test_memory import critical_server, tight_server  # noqa: F401 - fixtures
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, eventually, run_server
from tests.media_files import media_folder

pytestmark = pytest.mark.photo

Visit = Callable[..., Visitor]

LOST = "ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_CONNECTION_RESET|ERR_EMPTY|WebSocket connection|502|503"


@pytest.mark.model
def test_results_look_old_when_the_service_stops_and_live_when_it_is_back(
    tmp_path_factory: pytest.TempPathFactory, visit: Visit
) -> None:
    folder = tmp_path_factory.mktemp("stops")
    with run_server(folder) as server:
        visitor = visit(server, "camera")
        visitor.button("Start camera").click()
        expect(visitor.page.locator(".findings li").first).to_contain_text("hand", timeout=30000)
        port = server.port
    visitor.expect_trouble(LOST)

    expect(visitor.page.locator(".stage[data-stale]")).to_contain_text("Not live: no answer since", timeout=10000)
    expect(visitor.page.locator(".findings[data-stale]")).to_have_count(1)
    expect(visitor.page.locator("#banner")).to_contain_text("No connection to the service since")
    expect(visitor.page.locator("#level")).not_to_contain_text("LOW")

    with run_server(folder, {"SERVER__PORT": str(port)}):
        expect(visitor.page.locator(".stage[data-stale]")).to_have_count(0, timeout=60000)
        expect(visitor.page.locator("#banner")).to_be_hidden()
        visitor.page.close()


@pytest.mark.model
def test_head_and_page_say_the_same_level_at_every_moment(tight_server: RunningServer, visit: Visit) -> None:  # noqa: F811
    visitor = visit(tight_server, "memory")
    expect(visitor.page.locator(".figures .chip")).to_have_text("LOW")
    visitor.evaluate(
        """() => {
          window.disagreed = 0;
          window.seen = new Set();
          const look = () => {
            const text = (one) => document.querySelector(one).textContent;
            const [head, page] = [text('#level .chip'), text('.figures .chip')];
            window.disagreed += head !== page;
            window.seen.add(head);
          };
          new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
        }"""
    )

    with tight_server.client() as client:
        client.post("/v1/vision/hands?cache=false", content=(media_folder() / "thumb_up.jpg").read_bytes())

    visitor.until("window.seen.has('CRITICAL')", 30)
    visitor.until("document.querySelector('#level .chip').textContent === 'LOW'", 60)
    assert visitor.evaluate("window.disagreed") == 0


@pytest.mark.model
def test_a_peak_from_before_the_page_was_opened_is_in_the_chart(
    tmp_path_factory: pytest.TempPathFactory, visit: Visit
) -> None:
    settings = {"MEMORY__LIMIT": "500M", "VISION__IDLE_SECONDS": "1"}
    with run_server(tmp_path_factory.mktemp("peak"), settings) as server:
        with server.client() as client:
            before = client.get("/metrics/memory").json()["workingSetBytes"]
            client.post("/v1/vision/hands", content=(media_folder() / "thumb_up.jpg").read_bytes())
            eventually(lambda: _peak(client) > before + (20 << 20))
            eventually(lambda: client.get("/metrics/memory").json()["workingSetBytes"] < _peak(client) - (15 << 20))

        visitor = visit(server, "memory")

        visitor.until("document.querySelectorAll('.chart .area').length > 2")
        visitor.until(f"(([...row]) => Math.max(...row) > row.at(-1) * 1.1)(({_HEIGHTS})())")
        visitor.page.close()


_HEIGHTS = """() => {
  const numbers = document.querySelector('.chart .curve').getAttribute('d').match(/[0-9.]+/g).map(Number);
  const bottom = document.querySelector('.chart').viewBox.baseVal.height - 26;
  return numbers.filter((_, index) => index % 2 === 1).map((y) => bottom - y);
}"""


def _peak(client: Any) -> int:
    row = client.get("/v1/memory/history").json()["workingSetBytes"]
    return max((value for value in row if value is not None), default=0)


def test_a_chart_with_few_points_keeps_every_peak(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "memory")

    kept = visitor.evaluate(
        """async () => {
          const { thinned } = await import('/static/js/ui/thin.js');
          const points = Array.from({ length: 720 }, (_, at) => ({ at, bytes: at === 333 ? 900 : at % 7 }));
          points[10].bytes = null;
          const few = thinned(points, 50);
          return [few.length <= 50, few.some(({ bytes }) => bytes === 900), few.at(-1).at];
        }"""
    )

    assert kept == [True, True, 719]


def test_what_was_there_already_does_not_count_for_the_time_left(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "library")

    words = visitor.evaluate(
        """async () => {
          const { UploadRow } = await import('/static/js/ui/upload_row.js');
          const { Emitter } = await import('/static/js/kit/emitter.js');
          class Fake extends Emitter {
            name = 'x'; totalBytes = 100e6; sentBytes = 0; resumedBytes = 0; state = 'ready';
            tell(type, detail) { Object.assign(this, detail); this.emit(type, detail); }
          }
          const upload = new Fake();
          const row = new UploadRow(upload, { remove() {}, retry() {} });
          upload.tell('state', { state: 'uploading', error: null });
          upload.tell('progress', { sentBytes: 90e6, resumedBytes: 90e6 });
          await new Promise((resolve) => setTimeout(resolve, 500));
          upload.tell('progress', { sentBytes: 90.1e6 });
          return row.element.textContent;
        }"""
    )

    assert "were there already" in words
    rate = words.split("KiB/s")[0].split()[-1]  # 100 KB in half a second and not 90 MB
    assert 20 < float(rate) < 220, words


def test_the_bar_of_a_failed_upload_is_empty(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "library")
    visitor.expect_trouble("415")

    visitor.choose("Choose files", {"name": "no.jpg", "mimeType": "image/jpeg", "buffer": b"only words " * 9000})

    row = visitor.page.locator("[data-upload='no.jpg']")
    expect(row).to_have_attribute("data-state", "failed")
    assert row.locator("progress").evaluate("(one) => one.value") == 0
    expect(row.get_by_role("button", name="Try again")).to_be_visible()


@pytest.mark.model
def test_a_model_in_use_is_shown_as_ready_with_its_size(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")

    visitor.button("Start camera").click()

    expect(visitor.page.locator(".task-state")).to_contain_text("ready (", timeout=30000)
    expect(visitor.page.locator(".task-state")).to_contain_text("MiB)")


@pytest.mark.model
@pytest.mark.timeout(240)
def test_photos_at_critical_say_that_they_wait_and_give_up_and_leave_nobody_waiting(
    critical_server: RunningServer,  # noqa: F811
    visit: Visit,
) -> None:
    visitor = visit(critical_server, "photos")
    visitor.expect_trouble("503")
    expect(visitor.page.get_by_label("Task", exact=True)).to_have_value("hands")

    visitor.choose("Choose photos", media_folder() / "thumb_up.jpg", media_folder() / "two_hands_pose.jpg")

    line = visitor.page.locator(".progress-line")
    expect(line).to_contain_text("Waiting for memory", timeout=20000)
    expect(visitor.page.get_by_text("had no memory for 2 photos")).to_be_visible(timeout=60000)
    expect(visitor.button("Try again")).to_be_visible()
    eventually(lambda: critical_server.memory()["budget"]["waiting"] == 0)
