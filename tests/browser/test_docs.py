"""The page that shows the description of the interface: made of our own files, under its own policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.test_access import KEY, keyed, serious_findings  # noqa: F401 - a fixture
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer

Visit = Callable[..., Visitor]


def test_it_lists_every_operation_and_opens_one_and_loads_nothing_from_elsewhere(
    server: RunningServer, visit: Visit
) -> None:
    visitor = visit(server)
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))

    visitor.page.goto(f"{server.url}/docs")
    document: dict[str, Any] = visitor.page.request.get(f"{server.url}/openapi.json").json()
    rows = visitor.page.locator("main > section > details")
    expect(rows).to_have_count(sum(map(len, document["paths"].values())))
    photo = rows.filter(has_text="/v1/vision/hands").filter(has_not_text="batch").first
    photo.locator("> summary").click()

    expect(photo.get_by_role("heading", name="Answers")).to_be_visible()
    expect(photo.get_by_text("maxHands", exact=True)).to_be_visible()
    photo.locator("details.schema > summary").first.click()
    expect(photo.locator("details.schema li").first).to_be_visible()
    assert [url for url in asked if not url.startswith(server.url)] == []
    assert serious_findings(visitor) == []


def test_where_keys_are_set_it_asks_for_one(keyed: RunningServer, visit: Visit) -> None:  # noqa: F811 - the fixture
    visitor = visit(keyed, key=KEY)
    visitor.expect_trouble("401")
    visitor.evaluate("() => sessionStorage.clear()")
    visitor.page.add_init_script("sessionStorage.clear()")

    visitor.page.goto(f"{keyed.url}/docs")
    visitor.page.get_by_role("textbox", name="Key").fill(KEY)
    visitor.button("Use this key").click()

    expect(visitor.page.locator("main > section > details").first).to_be_visible()
