"""The first load is small, says that it loads, and works on a narrow line."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Response, Route, expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer

Visit = Callable[..., Visitor]

MOST_BYTES, MOST_REQUESTS = 150_000, 12
NARROW = {"offline": False, "latency": 100, "downloadThroughput": 50_000, "uploadThroughput": 50_000}


def test_it_is_few_requests_and_few_bytes(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "memory")
    answers: list[Response] = []
    visitor.page.goto("about:blank")
    session = visitor.page.context.new_cdp_session(visitor.page)
    session.send("Network.enable")
    received: list[int] = []
    session.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    visitor.page.on("response", lambda response: answers.append(response))

    visitor.page.goto(server.url)
    visitor.until("document.querySelector('#level .chip') !== null")
    visitor.until("document.querySelectorAll('[aria-label=Task] option').length > 3")

    addresses = [answer.url.removeprefix(server.url) for answer in answers]
    assert len(addresses) <= MOST_REQUESTS, addresses
    assert sum(received) <= MOST_BYTES


def test_it_says_that_it_loads_and_works_at_400_kbit_a_second(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "memory")
    visitor.page.goto("about:blank")
    session = visitor.page.context.new_cdp_session(visitor.page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.send("Network.emulateNetworkConditions", NARROW)

    visitor.page.goto(f"{server.url}/#library", wait_until="commit")

    expect(visitor.page.get_by_text("Loading…")).to_be_visible()
    expect(visitor.page.get_by_role("heading", name="Library")).to_be_visible(timeout=30000)


def test_a_view_that_cannot_be_loaded_says_so(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "memory")
    visitor.expect_trouble("Failed to|ERR_FAILED")

    def refuse(route: Route) -> None:
        route.abort()

    visitor.page.route("**/index-jobs.js", refuse)
    visitor.page.evaluate("location.hash = '#jobs'")

    expect(visitor.page.get_by_role("alert").filter(has_text="could not be loaded")).to_be_visible()
