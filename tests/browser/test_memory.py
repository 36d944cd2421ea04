"""Memory: the page tells how full the service is, as it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.media_files import photo

Visit = Callable[..., Visitor]

# A service that is calm while it is idle, and critical as soon as a model is loaded (some 90 MB).
TIGHT = {
    "MEMORY__LIMIT": "300M",
    "MEMORY__MODERATE_SHARE": "0.25",
    "MEMORY__HIGH_SHARE": "0.27",
    "MEMORY__CRITICAL_SHARE": "0.29",
    "MEMORY__KILL_SHARE": "0.99",
}


@pytest.fixture
def tight_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("tight"), TIGHT) as server:
        yield server


@pytest.fixture
def critical_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service that thinks its machine has hardly any memory left."""
    settings = {"MEMORY__HOST_LOW": "100T", "MEMORY__HOST_CRITICAL": "100T"}
    with run_server(tmp_path_factory.mktemp("critical"), settings) as server:
        yield server


def test_every_part_of_the_report_is_shown_with_units(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "memory")

    expect(visitor.page.locator(".figures")).to_contain_text("MiB")
    expect(visitor.page.locator(".bars [data-owner='api']")).to_contain_text("MiB resident")
    expect(visitor.page.get_by_role("table", name="Processes")).to_contain_text("api (")
    expect(visitor.page.get_by_role("table", name="Models")).to_contain_text("gestures")
    expect(visitor.page.locator("svg.chart path.curve")).to_have_count(1)
    for title in ("Cache", "Streams and uploads", "Temporary files", "What was done about it"):
        expect(visitor.page.get_by_role("heading", name=title)).to_be_visible()


def test_the_chart_is_read_with_the_keyboard(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "memory")
    chart = visitor.page.locator("svg.chart")
    expect(chart.locator("path.curve")).to_have_count(1)
    visitor.page.wait_for_timeout(2500)

    chart.focus()
    visitor.page.keyboard.press("ArrowLeft")

    expect(chart.locator("circle.dot")).to_have_count(1)


@pytest.mark.photo
@pytest.mark.model
def test_the_page_reacts_to_pressure_and_to_its_end(tight_server: RunningServer, visit: Visit) -> None:
    visitor = visit(tight_server, "memory")
    chip = visitor.page.locator("#level .chip")
    expect(chip).to_have_text("LOW")
    banner = visitor.page.get_by_role("alert")
    expect(banner).to_be_hidden()
    visitor.evaluate(
        """() => {
          window.levels = [];
          new MutationObserver(() => window.levels.push(document.querySelector('#level .chip').dataset.level))
            .observe(document.querySelector('#level'), { childList: true });
        }"""
    )

    with tight_server.client() as client:
        client.post("/v1/vision/hands?cache=false", content=photo("thumb_up.jpg").read())

    visitor.until("window.levels.includes('CRITICAL')", 20)
    visitor.until("window.levels.at(-1) === 'LOW'", 60)
    expect(banner).to_be_hidden()


def test_critical_is_said_in_words_and_red(critical_server: RunningServer, visit: Visit) -> None:
    visitor = visit(critical_server, "memory")

    expect(visitor.page.get_by_role("alert")).to_contain_text("Memory is critical. Survival")
    chip = visitor.page.locator("#level .chip")
    expect(chip).to_have_text("CRITICAL")
    expect(chip).to_have_attribute("data-tone", "red")
    assert visitor.evaluate("window.layoutShift") < 0.05


def test_freeing_memory_tells_what_was_freed(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "memory")

    visitor.button("Free memory now").click()

    expect(visitor.page.get_by_text("Freed ").first).to_be_visible(timeout=30000)


def test_a_service_that_goes_away_is_told_and_comes_back(
    tmp_path_factory: pytest.TempPathFactory, visit: Visit
) -> None:
    folder = tmp_path_factory.mktemp("gone")
    with run_server(folder) as server:
        visitor = visit(server, "memory")
        expect(visitor.page.locator("#level .chip")).to_have_text("LOW")
        port = server.port
    visitor.expect_trouble("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_CONNECTION_RESET|ERR_EMPTY")
    expect(visitor.page.locator("#level .chip")).to_have_text("No connection", timeout=20000)

    with run_server(folder, {"SERVER__PORT": str(port)}):
        expect(visitor.page.locator("#level .chip")).to_have_text("LOW", timeout=40000)
        visitor.page.close()
