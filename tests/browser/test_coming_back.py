"""What a page does when its service was away, refuses its key, was busy for a moment, or is a newer one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.test_truth import LOST
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server

Visit = Callable[..., Visitor]

KEY, NEXT_KEY = "first-key-of-the-browser-tests", "second-key-of-the-browser-tests"
SECRETS = (KEY, NEXT_KEY)

_LEFT_ALIVE = """[...document.querySelectorAll('.live')].filter(
  (one) => !getComputedStyle(one).filter.includes('grayscale(1)')).length"""

_NOTE_WHEN_LOST = """() => {
  const read = ReadableStreamDefaultReader.prototype.read;
  ReadableStreamDefaultReader.prototype.read = async function () {
    try {
      const piece = await read.call(this);
      if (piece.done) window.cutAt ??= performance.now();
      return piece;
    } catch (error) {
      window.cutAt ??= performance.now();
      throw error;
    }
  };
  const main = document.querySelector('main');
  new MutationObserver(() => {
    if ('lost' in main.dataset) window.lostAt ??= performance.now();
  }).observe(main, { attributes: true, attributeFilter: ['data-lost'] });
}"""


def test_a_key_that_is_no_longer_accepted_greys_the_page_and_another_one_brings_it_back(
    tmp_path_factory: pytest.TempPathFactory, visit: Visit
) -> None:
    folder = tmp_path_factory.mktemp("rotated")
    with run_server(folder, {"SERVER__API_KEYS": KEY}, secrets=SECRETS) as server:
        visitor = visit(server, "memory", key=KEY)
        expect(visitor.page.locator("#level .chip")).to_have_text("LOW")
        port = server.port
    visitor.expect_trouble(LOST + "|401")
    dialog = visitor.page.get_by_role("dialog")

    with run_server(folder, {"SERVER__API_KEYS": NEXT_KEY, "SERVER__PORT": str(port)}, secrets=SECRETS):
        expect(dialog).to_be_visible(timeout=30000)
        visitor.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        banner = visitor.page.locator("#banner")
        expect(banner).to_contain_text("The service does not accept the key since", timeout=10000)
        assert visitor.evaluate(_LEFT_ALIVE) == 0
        expect(visitor.page.locator("#level")).not_to_contain_text("LOW")

        visitor.button("Key").click()
        dialog.get_by_label("Key").fill(NEXT_KEY)
        dialog.get_by_role("button", name="Use this key").click()

        expect(visitor.page.locator("#level .chip")).to_have_text("LOW", timeout=20000)
        expect(banner).to_be_hidden()
        assert visitor.evaluate("'lost' in document.querySelector('main').dataset") is False
        visitor.page.close()


def test_a_service_that_ends_greys_the_page_within_two_seconds(
    tmp_path_factory: pytest.TempPathFactory, visit: Visit
) -> None:
    with run_server(tmp_path_factory.mktemp("ends")) as server:
        visitor = visit(server, "memory")
        expect(visitor.page.locator("svg.chart path.curve")).to_have_count(1)
        visitor.evaluate(_NOTE_WHEN_LOST)
        visitor.page.wait_for_timeout(1000)  # the connection of the levels is read anew by what was put in above
        visitor.expect_trouble(LOST)

    visitor.until("window.lostAt !== undefined")
    assert visitor.evaluate("window.lostAt - window.cutAt") < 2000
    assert visitor.evaluate(_LEFT_ALIVE) == 0


def test_a_view_that_was_first_opened_while_the_service_was_down_comes_back(
    tmp_path_factory: pytest.TempPathFactory, visit: Visit
) -> None:
    folder = tmp_path_factory.mktemp("down")
    with run_server(folder) as server:
        visitor = visit(server, "memory")
        port = server.port
    visitor.expect_trouble(LOST)

    visitor.page.get_by_role("link", name="Jobs").click()
    expect(visitor.page.get_by_text("This view could not be loaded")).to_be_visible(timeout=15000)

    with run_server(folder, {"SERVER__PORT": str(port)}):
        expect(visitor.page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible(timeout=30000)
        visitor.page.close()


@pytest.fixture
def old_page(server: RunningServer, browser: Browser) -> Iterator[Visitor]:
    """A page of an older version, as a browser has it that was left open while the service became a newer one."""
    with server.client() as client:
        html = client.get("/").text
        version = re.findall(r"/static/bundle/(\w+)/", html)[0]
    old = "0" * len(version)
    opened: list[str] = []

    def answer_page(route: Route) -> None:
        if opened:
            route.continue_()
        else:
            opened.append(old)
            route.fulfill(body=html.replace(version, old), content_type="text/html")

    def answer_code(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if name not in ("index.js", "index.css", "index-memory.js"):  # what was loaded before
            route.continue_()
            return
        with server.client() as client:
            answer = client.get(f"/static/bundle/{version}/{name}")
        route.fulfill(body=answer.text.replace(version, old), content_type=answer.headers["content-type"])

    context = browser.new_context()
    page = context.new_page()
    page.route(f"{server.url}/", answer_page)
    page.route(f"**/static/bundle/{old}/**", answer_code)
    visitor = Visitor(page, server)
    visitor.expect_trouble("404")
    visitor.open("memory")
    yield visitor
    context.close()
    visitor.check()


def test_a_page_of_an_older_version_becomes_the_new_one_when_it_needs_what_is_no_more(old_page: Visitor) -> None:
    old_page.evaluate("window.isOld = true")

    old_page.page.get_by_role("link", name="Jobs").click()

    expect(old_page.page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible(timeout=20000)
    assert old_page.evaluate("[window.isOld ?? false, location.hash]") == [False, "#jobs"]


def test_a_page_that_a_reload_did_not_renew_says_so_and_has_a_button_for_it(
    old_page: Visitor,
) -> None:
    old_page.evaluate("sessionStorage.setItem('ballast.reloaded', new URL(document.scripts[0].src).pathname)")

    old_page.page.get_by_role("link", name="Jobs").click()

    expect(old_page.page.get_by_text("There is a new version of this page")).to_be_visible(timeout=20000)
    old_page.button("Reload").click()
    expect(old_page.page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible(timeout=20000)


def test_a_view_whose_first_question_was_refused_for_a_moment_comes_up_by_itself(
    server: RunningServer, visit: Visit
) -> None:
    visitor = visit(server, "memory")
    visitor.expect_trouble("503")
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        document = '{"status":503,"code":"overloaded","detail":"Memory is tight.","title":"","type":"","requestId":""}'
        headers = {"Content-Type": "application/problem+json", "Retry-After": "1"}
        route.fulfill(status=503, headers=headers, body=document)

    visitor.page.route("**/v1/images/operations", refuse_once)

    visitor.page.get_by_role("link", name="Images").click()

    expect(visitor.page.get_by_text("Memory is tight.")).to_be_visible()
    expect(visitor.page.locator("[data-operation='resize']")).to_be_visible(timeout=15000)
    expect(visitor.page.get_by_text("Memory is tight.")).to_have_count(0)
    assert len(refused) == 1
