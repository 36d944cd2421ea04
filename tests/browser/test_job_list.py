"""The list of jobs: all of them can be reached, and an address that leads nowhere does not break it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.samples import png

pytestmark = [pytest.mark.photo, pytest.mark.timeout(240)]

Visit = Callable[..., Visitor]

JOBS = 35


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A service with more jobs than a page shows; it does not do them."""
    with run_server(tmp_path_factory.mktemp("full"), {"JOBS__RUN": "false"}) as server:
        media_id = store(server)
        for width in range(1, JOBS + 1):
            order = {"kind": "batch", "input": [media_id], "params": {"width": width}}
            assert httpx.post(f"{server.url}/v1/jobs", json=order, timeout=30).status_code == 202
        yield server


def store(server: RunningServer) -> str:
    url = f"{server.url}/v1/media?inline=never&name=small.png"
    identity: str = httpx.post(url, content=png(8, 8), timeout=30).json()["id"]
    return identity


def go(visit: Visit, server: RunningServer, address: str) -> Visitor:
    visitor = visit(server, "memory")
    visitor.page.goto(f"{server.url}/#{address}")
    return visitor


def test_jobs_beyond_the_first_page_are_shown_at_a_press(full: RunningServer, visit: Visit) -> None:
    visitor = go(visit, full, "jobs")
    expect(visitor.page.locator(".job")).to_have_count(30)

    visitor.button("Show more").click()

    expect(visitor.page.locator(".job")).to_have_count(JOBS)
    expect(visitor.button("Show more")).to_be_hidden()


def test_the_address_of_a_forgotten_job_says_so_and_shows_the_list(full: RunningServer, visit: Visit) -> None:
    visitor = go(visit, full, "jobs/0123456789abcdef0123456789abcdef")
    visitor.expect_trouble("404")

    expect(visitor.page.get_by_text("This job is not there any more")).to_be_visible()
    expect(visitor.page.locator(".job")).to_have_count(30)


def test_a_form_for_an_item_that_is_gone_says_so_and_shows_the_list(full: RunningServer, visit: Visit) -> None:
    media_id = store(full)
    httpx.delete(f"{full.url}/v1/media/{media_id}")
    visitor = go(visit, full, f"jobs/new/{media_id}")
    visitor.expect_trouble("404")

    expect(visitor.page.get_by_text("One item is not in the library any more.")).to_be_visible()
    expect(visitor.page.get_by_text("Looking at what can be done")).to_have_count(0)
    expect(visitor.page.locator(".job")).to_have_count(30)


def test_the_form_goes_on_with_the_items_that_are_left(full: RunningServer, visit: Visit) -> None:
    media_id = store(full)
    gone = store(full)
    httpx.delete(f"{full.url}/v1/media/{gone}")
    visitor = go(visit, full, f"jobs/new/{gone},{media_id}")
    visitor.expect_trouble("404")

    expect(visitor.page.get_by_role("heading", name="New job for small.png")).to_be_visible(timeout=30000)


def test_a_list_that_could_not_be_read_once_is_read_again(full: RunningServer, visit: Visit) -> None:
    visitor = go(visit, full, "jobs")
    expect(visitor.page.locator(".job")).to_have_count(30)
    visitor.expect_trouble("503")
    broken: list[str] = []

    def once(route: Route) -> None:
        broken.append(route.request.url)
        route.fulfill(status=503, json={"code": "overloaded", "detail": "Busy."})

    visitor.page.route("**/v1/jobs?*", once, times=1)
    visitor.page.wait_for_event("response", lambda response: response.status == 503, timeout=30000)
    order = {"kind": "batch", "input": [store(full)], "params": {"width": 99}}
    newest = httpx.post(f"{full.url}/v1/jobs", json=order, timeout=30).json()["id"]

    expect(visitor.page.locator(f"[data-id='{newest}']")).to_be_visible(timeout=30000)
    assert len(broken) == 1
