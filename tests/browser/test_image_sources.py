"""Images: where pictures come from, what is sent of them and how often, and what a visitor does with the result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.test_images import MADE, choose, media_id  # noqa: F401 - a fixture
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer
from tests.media_files import media_folder

pytestmark = pytest.mark.photo

Visit = Callable[..., Visitor]


def upload(server: RunningServer, name: str, type_: str = "image/jpeg") -> str:
    content = (media_folder() / name).read_bytes()
    url = f"{server.url}/v1/media?inline=never&name={name}"
    answer = httpx.post(url, content=content, headers={"Content-Type": type_}, timeout=30)
    return str(answer.json()["id"])


def test_a_picture_that_was_deleted_is_said_to_be_gone_and_another_one_is_offered(
    server: RunningServer,
    visit: Visit,
    media_id: str,  # noqa: F811
) -> None:
    visitor = visit(server, "memory")
    visitor.expect_trouble("404")
    httpx.delete(f"{server.url}/v1/media/{media_id}")

    visitor.page.evaluate(f"location.hash = '#images/{media_id}'")

    expect(visitor.page.get_by_text("This picture is not in the library any more.")).to_be_visible(timeout=15000)
    expect(visitor.page.locator("[data-operation='resize']")).to_be_visible()
    upload(server, "thumb_up.jpg")
    visitor.button("Choose another one").click()
    visitor.page.get_by_role("dialog").locator(".pick-card").first.click()
    visitor.until(f"{MADE} > 0")


def test_the_picture_before_is_made_once_and_not_with_each_change(
    server: RunningServer,
    visit: Visit,
    media_id: str,  # noqa: F811
) -> None:
    visitor = visit(server, "memory")
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url) if "/image?" in request.url else None)
    visitor.page.evaluate(f"location.hash = '#images/{media_id}'")
    visitor.until(f"{MADE} > 0")

    for width in ("64", "48"):
        visitor.page.locator("input[name='width']").fill(width)
        visitor.page.locator("input[name='width']").blur()
        visitor.until(f"{MADE} === {width}")

    assert len([url for url in asked if "width=1920" in url]) == 1


@pytest.mark.parametrize(
    ("name", "type_", "size", "words"),
    [
        ("logo.svg", "image/svg+xml", 50, "does not read (image/svg+xml)"),
        ("words.txt", "text/plain", 50, "is not a picture"),
        ("large.jpg", "image/jpeg", 26 << 20, "pictures of at most 25.0 MiB"),
        ("none.png", "image/png", 0, "is empty"),
    ],
)
def test_what_the_service_would_refuse_is_not_sent(
    server: RunningServer, visit: Visit, name: str, type_: str, size: int, words: str
) -> None:
    visitor = visit(server, "images")
    expect(visitor.page.locator("[data-operation='resize']")).to_be_visible()
    sent: list[str] = []
    visitor.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)

    visitor.choose("Choose a picture", {"name": name, "mimeType": type_, "buffer": bytes(size)})

    expect(visitor.page.locator("p.note")).to_contain_text(words)
    assert sent == []


@pytest.mark.parametrize("ending", ["tiff", "heic"])
def test_a_picture_that_the_browser_cannot_show_has_a_before_from_the_service(
    server: RunningServer, visit: Visit, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"picture.{ending}"
    script = (
        "import sys, pillow_heif; from PIL import Image; pillow_heif.register_heif_opener(); "
        "Image.radial_gradient('L').convert('RGB').resize((320, 200)).save(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", script, path], check=True, timeout=60)
    visitor = visit(server, "images")

    visitor.choose("Choose a picture", path)

    visitor.until(f"{MADE} === 320")
    assert visitor.evaluate("document.querySelector('.compare .before').naturalWidth") == 320


def test_a_large_file_is_sent_once_where_the_library_may_have_it(
    server: RunningServer, visit: Visit, tmp_path: Path
) -> None:
    noise = tmp_path / "noise.bmp"
    source = ["-f", "lavfi", "-i", "testsrc=size=800x600:rate=1", "-frames:v", "1"]
    subprocess.run(["ffmpeg", "-loglevel", "error", *source, str(noise)], check=True, timeout=30)
    visitor = visit(server, "images")
    visitor.choose("Choose a picture", noise)
    visitor.until(f"{MADE} > 0")
    expect(visitor.page.get_by_text("each change sends it again")).to_be_visible()

    visitor.button("Put it into the library").click()

    expect(visitor.page.get_by_text("each change sends it again")).to_be_hidden(timeout=20000)
    expect(visitor.page.locator(".recipe code").first).to_contain_text("/v1/media/", timeout=20000)


def test_a_slider_that_is_switched_on_begins_where_it_is_of_use(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "images")

    visitor.page.get_by_label("Set quality").check()

    assert visitor.page.locator("input[name='quality']").input_value() == "80"


@pytest.mark.parametrize("preset", ["~web", "~avatar", "~gray"])
def test_a_preset_sets_its_parameters_and_makes_the_picture(server: RunningServer, visit: Visit, preset: str) -> None:
    visitor = visit(server, "images")
    choose(visitor, "thumb_up.jpg")
    wanted = {"~web": "quality=70", "~avatar": "gravity=faces", "~gray": "grayscale=true"}[preset]

    visitor.page.get_by_label("Preset", exact=True).select_option(preset)

    expect(visitor.page.locator(".recipe code").first).to_contain_text(wanted, timeout=60000)
    visitor.button("Reset").click()
    expect(visitor.page.locator(".recipe code").first).not_to_contain_text(wanted, timeout=60000)


def test_a_picture_is_taken_from_the_library_and_its_result_is_downloaded_and_its_address_copied(
    server: RunningServer, visit: Visit, tmp_path: Path
) -> None:
    upload(server, "thumb_up.jpg")
    visitor = visit(server, "images")
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.button("From the library").click()
    visitor.page.get_by_role("dialog").locator(".pick-card").first.click()
    visitor.until(f"{MADE} > 0")

    with visitor.page.expect_download() as download:
        visitor.button("Download").click()
    download.value.save_as(tmp_path / "made")
    visitor.button("Copy: Address").click()

    expect(visitor.page.get_by_text("Address copied.")).to_have_count(1)
    address = visitor.evaluate("navigator.clipboard.readText()")
    assert httpx.get(address).content == (tmp_path / "made").read_bytes()


def test_before_and_after_are_named_on_the_picture(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "images")
    expect(visitor.page.locator(".compare .side").first).to_be_hidden()

    choose(visitor, "thumb_up.jpg")

    expect(visitor.page.locator(".compare .before-side")).to_be_visible()
    expect(visitor.page.locator(".compare .after-side")).to_be_visible()


def test_without_a_picture_a_phone_shows_what_to_do_without_scrolling(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "images", viewport={"width": 360, "height": 640})

    expect(visitor.page.locator(".stage-hint")).to_be_in_viewport(ratio=1)
