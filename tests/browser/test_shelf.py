"""The library with many items: derived thumbnails, search, order, selection, keys, drops and pastes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Request, expect

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.samples import png

Visit = Callable[..., Visitor]

COUNT = 60
FRAMES = ".picture .picture-frame"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("shelf")) as server:
        with server.client() as client:
            for number in range(COUNT):
                picture = png(8 + number, 8)
                client.post(f"/v1/media?inline=never&name=picture-{number:02}.png", content=picture).raise_for_status()
        yield server


def names(visitor: Visitor) -> list[str]:
    return visitor.page.locator(".picture h3").all_text_contents()


def test_small_views_are_derived_pictures_and_never_the_originals(shelf: RunningServer, visit: Visit) -> None:
    visitor = visit(shelf, "memory")
    asked: list[str] = []

    def note(request: Request) -> None:
        if request.resource_type == "image" and "/v1/media/" in request.url:
            asked.append(request.url)

    visitor.page.on("request", note)
    visitor.open("library")
    visitor.until("document.querySelectorAll('.picture img').length > 4")

    assert asked
    assert [url for url in asked if "/image?" not in url or "width=" not in url or "format=auto" not in url] == []


def test_a_search_finds_what_is_not_shown_yet(shelf: RunningServer, visit: Visit) -> None:
    visitor = visit(shelf, "library")
    expect(visitor.page.locator(".picture")).to_have_count(48)

    visitor.page.get_by_label("Search by name").fill("picture 03")

    expect(visitor.page.locator(".picture")).to_have_count(1)
    assert names(visitor) == ["picture-03.png"]
    visitor.page.get_by_label("Search by name").fill("nowhere")
    expect(visitor.page.get_by_text("No name has “nowhere” in it.")).to_be_visible()


def test_they_are_put_in_another_order(shelf: RunningServer, visit: Visit) -> None:
    visitor = visit(shelf, "library")

    visitor.page.get_by_label("Order").select_option("name")

    expect(visitor.page.locator(".picture h3").first).to_have_text("picture-00.png")
    assert names(visitor) == sorted(names(visitor))


def test_arrow_keys_go_through_the_cards_and_through_the_items(shelf: RunningServer, visit: Visit) -> None:
    visitor = visit(shelf, "library")
    frames = visitor.page.locator(FRAMES)
    expect(frames).to_have_count(48)
    frames.first.focus()

    visitor.page.keyboard.press("ArrowRight")
    expect(frames.nth(1)).to_be_focused()
    visitor.page.keyboard.press("End")
    expect(frames.nth(47)).to_be_focused()
    visitor.page.keyboard.press("Home")
    visitor.page.keyboard.press("Enter")
    title = visitor.page.get_by_role("dialog").get_by_role("heading")
    expect(title).to_have_text("picture-59.png")
    visitor.page.keyboard.press("ArrowRight")

    expect(title).to_have_text("picture-58.png")


def test_several_are_deleted_at_once(tmp_path_factory: pytest.TempPathFactory, visit: Visit) -> None:
    with run_server(tmp_path_factory.mktemp("several")) as server:
        with server.client() as client:
            for number in range(4):
                client.post(f"/v1/media?inline=never&name={number}.png", content=png(9 + number, 9))
        visitor = visit(server, "library")
        for number in (1, 2, 3):
            visitor.page.get_by_label(f"Select {number}.png").check()
        expect(visitor.page.locator(".selection")).to_contain_text("3 items selected")

        visitor.button("Delete selected").click()
        visitor.page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()

        expect(visitor.page.locator(".picture")).to_have_count(1)
        expect(visitor.page.locator(".selection")).to_be_hidden()
        assert [one["name"] for one in httpx.get(f"{server.url}/v1/media").json()["items"]] == ["0.png"]
        visitor.page.close()


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_files_come_by_drop_anywhere_and_by_paste(shelf: RunningServer, visit: Visit, event: str) -> None:
    visitor = visit(shelf, "library")

    visitor.page.evaluate(
        """([base64, event]) => {
          const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], `by-${event}.png`, { type: 'image/png' }));
          const options = { bubbles: true, cancelable: true };
          document.body.dispatchEvent(event === 'drop'
            ? new DragEvent('drop', { ...options, dataTransfer: transfer })
            : new ClipboardEvent('paste', { ...options, clipboardData: transfer }));
        }""",
        [base64.b64encode(png(8, 8)).decode(), event],
    )

    expect(visitor.page.locator(".picture", has_text=f"by-{event}.png")).to_have_count(1)


def test_uploads_are_told_in_the_head_of_every_view_and_leaving_is_warned_of(
    shelf: RunningServer, visit: Visit
) -> None:
    visitor = visit(shelf, "library")
    session = visitor.page.context.new_cdp_session(visitor.page)
    session.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 40_000}
    session.send("Network.emulateNetworkConditions", slow)
    picture = png(8, 8) + bytes(300_000)
    visitor.choose("Choose files", {"name": "slow.png", "mimeType": "image/png", "buffer": picture})

    visitor.open("memory")

    expect(visitor.page.locator("#uploads")).to_contain_text("1 upload, ", timeout=20000)
    assert visitor.evaluate("!dispatchEvent(new Event('beforeunload', { cancelable: true }))")
    session.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})
    expect(visitor.page.locator("#uploads")).to_be_hidden(timeout=60000)
    assert visitor.evaluate("dispatchEvent(new Event('beforeunload', { cancelable: true }))")
