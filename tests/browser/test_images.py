"""Images: every parameter has a control, before and after are compared, and the result is had again by its address."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.test_access import serious_findings
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer
from tests.media_files import media_folder

pytestmark = pytest.mark.photo

Visit = Callable[..., Visitor]

MADE = "document.querySelector('.compare .after')?.naturalWidth"


@pytest.fixture
def media_id(server: RunningServer) -> str:
    photo = (media_folder() / "two_hands_pose.jpg").read_bytes()
    answer = httpx.post(f"{server.url}/v1/media?inline=never&name=pose.jpg", content=photo, timeout=30)
    identity: str = answer.json()["id"]
    return identity


def choose(visitor: Visitor, name: str) -> None:
    visitor.choose("Choose a picture", media_folder() / name)
    visitor.until(f"{MADE} > 0")


def test_every_parameter_of_the_service_has_a_control_and_a_new_one_appears_by_itself(
    server: RunningServer, visit: Visit
) -> None:
    operations: dict[str, Any] = httpx.get(f"{server.url}/v1/images/operations").json()
    known = [name for one in operations["operations"] for name in one["parameters"]]
    new = {"name": "sepia", "summary": "make it brown", "parameters": {"sepia": {"type": "boolean", "default": False}}}
    visitor = visit(server, "memory")

    def with_a_new_one(route: Route) -> None:
        route.fulfill(body=json.dumps(operations | {"operations": [*operations["operations"], new]}))

    visitor.page.route("**/v1/images/operations", with_a_new_one)
    visitor.open("images")

    expect(visitor.page.locator("[data-operation='sepia']")).to_have_count(1)
    labels = visitor.page.locator(".group label, .group .field > span").all_text_contents()
    words = " ".join(labels).lower().replace(" ", "")
    assert [name for name in [*known, "sepia"] if name.lower() not in words] == []


def test_a_width_makes_it_smaller_and_says_size_and_time(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "images")
    choose(visitor, "thumb_up.jpg")

    visitor.page.locator("input[name='width']").fill("200")
    visitor.page.locator("input[name='width']").blur()

    visitor.until(f"{MADE} === 200")
    assert "of 52.4 KiB" in visitor.figure("Size")
    assert visitor.figure("Time").endswith(("ms", "s"))
    assert visitor.figure("Format") == "image/jpeg"


def test_the_address_and_the_curl_line_give_the_same_picture(
    server: RunningServer, visit: Visit, media_id: str, tmp_path: Path
) -> None:
    visitor = visit(server, "memory")
    visitor.page.goto(f"{server.url}/#images/{media_id}")
    visitor.until(f"{MADE} > 0")
    visitor.page.locator("input[name='width']").fill("160")
    visitor.page.locator("input[name='width']").blur()
    visitor.until(f"{MADE} === 160")

    address, curl = visitor.page.locator(".recipe code").all_text_contents()
    subprocess.run(shlex.split(curl), cwd=tmp_path, check=True, timeout=30)

    assert address.endswith(f"/v1/media/{media_id}/image?width=160")
    assert (tmp_path / "result.jpg").read_bytes() == httpx.get(address).content


def test_the_curl_line_for_a_file_sends_it(server: RunningServer, visit: Visit, tmp_path: Path) -> None:
    visitor = visit(server, "images")
    choose(visitor, "thumb_up.jpg")
    (tmp_path / "thumb_up.jpg").write_bytes((media_folder() / "thumb_up.jpg").read_bytes())

    curl = visitor.page.locator(".recipe code").last.text_content() or ""
    subprocess.run(shlex.split(curl), cwd=tmp_path, check=True, timeout=30)

    assert (tmp_path / "result.jpg").read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.model
def test_hidden_faces_are_counted_and_marked(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "images")
    choose(visitor, "business_person.png")

    visitor.page.get_by_label("Preset", exact=True).select_option("~anonymous")

    expect(visitor.page.locator("dl.facts")).to_contain_text("1 face hidden", timeout=60000)
    visitor.until("document.querySelector('.marks').width > 300")
    marked = visitor.evaluate(
        """() => {
          const { width, height } = document.querySelector('.marks');
          const context = document.querySelector('.marks').getContext('2d');
          return context.getImageData(0, 0, width, height).data.some((value) => value > 0);
        }"""
    )
    assert marked


def test_the_slider_is_moved_with_the_keyboard(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "images")
    choose(visitor, "thumb_up.jpg")
    slider = visitor.page.get_by_label("Before on the left, after on the right")

    slider.focus()
    for _ in range(10):
        visitor.page.keyboard.press("ArrowLeft")

    split = visitor.evaluate("document.querySelector('.compare-stage').style.getPropertyValue('--split')")
    assert float(split.removesuffix("%")) < 50


def test_what_is_wrong_is_said_and_the_last_picture_stays(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "images")
    visitor.expect_trouble("422")
    choose(visitor, "thumb_up.jpg")

    visitor.page.locator("[data-operation='crop'] > summary").click()
    visitor.page.locator("input[name='crop']").fill("nonsense")
    visitor.page.locator("input[name='crop']").blur()

    expect(visitor.page.locator(".note[data-tone='red']")).to_contain_text("crop")
    assert visitor.evaluate(MADE) == 640


def test_a_result_is_kept_in_the_library(server: RunningServer, visit: Visit) -> None:
    visitor = visit(server, "images")
    choose(visitor, "thumb_up.jpg")

    visitor.button("Keep in the library").click()

    expect(visitor.page.get_by_text("is in the library")).to_be_visible(timeout=30000)
    assert httpx.get(f"{server.url}/v1/media").json()["items"][0]["name"] == "thumb_up.jpg"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_it(server: RunningServer, visit: Visit, scheme: str) -> None:
    visitor = visit(server, "images", color_scheme=scheme, reduced_motion="reduce")
    choose(visitor, "thumb_up.jpg")

    assert serious_findings(visitor) == []
