"""What does not go on is said: a stream without answers, photos that wait. No drop or closed tab loses anything."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer
from tests.media_files import media_folder

pytestmark = [pytest.mark.photo, pytest.mark.model]

Visit = Callable[..., Visitor]

_STALL = """() => {
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) { if (!(data instanceof Blob)) send.call(this, data); };
}"""

_DROP = """(name, type) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File(['x'.repeat(2000)], 'dropped', { type: TYPE }));
  const event = new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: transfer });
  document.querySelector('main').dispatchEvent(event);
  return event.defaultPrevented;
}"""


def test_the_figures_of_a_stream_without_answers_are_not_called_live(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    visitor.button("Start camera").click()
    figures = visitor.page.locator(".camera-figures dl")
    expect(figures).to_contain_text("per s", timeout=60000)

    visitor.evaluate(_STALL)

    expect(figures).to_contain_text("none since", timeout=15000)
    assert figures.get_attribute("data-stale") is not None


def test_a_batch_of_photos_without_an_answer_says_so_and_can_be_cancelled(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "photos")
    held = threading.Event()

    def hold(_: Route) -> None:
        held.set()  # and no answer

    visitor.page.route("**/batch*", hold)
    photo = media_folder() / "thumb_up.jpg"

    visitor.choose("Choose photos", *[photo] * 9)

    line = visitor.page.locator(".progress-line")
    expect(line).to_contain_text("No answer for", timeout=20000)
    assert held.is_set()
    visitor.button("Cancel").click()
    expect(visitor.button("Try again")).to_be_visible()


def test_a_recording_is_not_lost_with_the_tab_without_a_question(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "camera")
    visitor.button("Start camera").click()
    expect(visitor.page.locator(".camera-figures dl")).to_contain_text("per s", timeout=60000)
    ask = "() => { const event = new Event('beforeunload', { cancelable: true }); return !dispatchEvent(event); }"
    assert visitor.evaluate(ask) is False

    visitor.button("Record").click()

    assert visitor.evaluate(ask) is True


@pytest.mark.parametrize(
    ("view", "type_"), [("photos", "image/jpeg"), ("camera", "video/mp4"), ("memory", "image/png")]
)
def test_a_file_that_is_dropped_anywhere_does_not_replace_the_page(
    server: RunningServer, visit: Visit, view: str, type_: str
) -> None:
    visitor = visit(server, view)

    assert visitor.evaluate(_DROP.replace("TYPE", f"'{type_}'").replace("(name, type)", "()")) is True
    if view == "photos":
        expect(visitor.page.locator(".picture")).to_contain_text("not a picture", timeout=60000)
        visitor.expect_trouble("4(15|22)")
    if view == "camera":
        expect(visitor.page.get_by_text("The browser cannot play this file.")).to_be_visible(timeout=20000)
