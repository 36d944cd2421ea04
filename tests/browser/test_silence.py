"""A service that stops, or that is frozen and closes nothing: what is shown of it goes grey and says since when."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.filled import VIEWS
from tests.browser.test_truth import LOST
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server

pytestmark = [pytest.mark.photo, pytest.mark.model]

Visit = Callable[..., Visitor]

NOTED_SECONDS = 2.0
"""Within so long it is said, by the page's own clock, and less what that clock itself was late on a busy machine."""

LEAST_SILENT_SECONDS = 1.5

_LEFT_ALIVE = """[...document.querySelectorAll('.live')].filter(
  (one) => !getComputedStyle(one).filter.includes('grayscale(1)')).length"""

_NOTE_TIMES = """() => {
  window.heardAt = 0;
  const read = ReadableStreamDefaultReader.prototype.read;
  ReadableStreamDefaultReader.prototype.read = async function () {
    const piece = await read.call(this);
    if (!piece.done) window.heardAt = performance.now();
    return piece;
  };
  window.late = 0;
  let due = performance.now() + 50;
  setInterval(() => {
    window.late = Math.max(window.late, (performance.now() - due) / 1000);
    due = performance.now() + 50;
  }, 50);
  const main = document.querySelector('main');
  new MutationObserver(() => {
    if ('lost' in main.dataset) window.lostAfter ??= (performance.now() - window.heardAt) / 1000;
  }).observe(main, { attributes: true, attributeFilter: ['data-lost'] });
}"""


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service that is frozen, and thawed again."""
    with run_server(tmp_path_factory.mktemp("mortal")) as server:
        yield server
        server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("view", VIEWS)
def test_a_frozen_service_greys_every_view_within_two_seconds_and_it_comes_back(
    mortal: RunningServer, visit: Visit, view: str
) -> None:
    visitor = visit(mortal, view)
    visitor.expect_trouble(LOST)
    VIEWS[view](visitor)
    visitor.evaluate(_NOTE_TIMES)
    visitor.until("window.heardAt > 0")

    mortal.process.send_signal(signal.SIGSTOP)
    try:
        expect(visitor.page.locator("#banner")).to_contain_text(
            re.compile(r"No connection to the service since \d+:\d\d:\d\d"), timeout=20000
        )
        left = visitor.evaluate(_LEFT_ALIVE)
        after, late = visitor.evaluate("[window.lostAfter, window.late]")
    finally:
        mortal.process.send_signal(signal.SIGCONT)

    assert left == 0
    assert visitor.page.locator(".live").count() > 0
    assert LEAST_SILENT_SECONDS < after <= NOTED_SECONDS + 2 * late  # two timers, one after the other
    visitor.until("!('lost' in document.querySelector('main').dataset)", 60)
    expect(visitor.page.locator("#banner")).to_be_hidden()


@pytest.mark.parametrize("view", ["images", "jobs"])
def test_a_service_that_has_ended_greys_what_is_shown(
    tmp_path_factory: pytest.TempPathFactory, visit: Visit, view: str
) -> None:
    folder: Path = tmp_path_factory.mktemp("ended")
    with run_server(folder) as server:
        visitor = visit(server, view)
        VIEWS[view](visitor)
    visitor.expect_trouble(LOST)

    visitor.until("'lost' in document.querySelector('main').dataset")
    assert visitor.evaluate(_LEFT_ALIVE) == 0
    expect(visitor.page.locator("#banner")).to_contain_text("since")


def test_a_service_that_only_says_nothing_new_is_not_called_lost(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "memory")
    visitor.evaluate(_NOTE_TIMES)

    visitor.page.wait_for_timeout(4000)

    assert visitor.evaluate("window.heardAt > 0")
    assert visitor.evaluate("window.lostAfter ?? 9") > LEAST_SILENT_SECONDS  # but for a service that was really silent
