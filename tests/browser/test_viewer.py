"""What is no picture, sound or video is shown for what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.test_access import serious_findings
from tests.browser.test_jobs import clip, store, submit
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, eventually, run_server

__all__ = ["clip"]

pytestmark = [pytest.mark.photo, pytest.mark.timeout(240)]

Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Iterator[RunningServer]:
    """A service with an analysis and a stream in its library."""
    with run_server(tmp_path_factory.mktemp("works")) as server:
        media_id = store(server, clip)
        jobs = [submit(server, "analyze", media_id, scenes=True, silence=False, black=True)]
        jobs.append(submit(server, "thumbnails", media_id, count=2, sprite=True))
        jobs.append(submit(server, "hls", media_id, heights=[90]))
        eventually(lambda: all(state_of(server, job_id) == "succeeded" for job_id in jobs), 180)
        yield server


def state_of(server: RunningServer, job_id: str) -> str:
    state: str = httpx.get(f"{server.url}/v1/jobs/{job_id}").json()["state"]
    assert state != "failed"
    return state


def opened(visit: Visit, works: RunningServer, content_type: str) -> Visitor:
    items = httpx.get(f"{works.url}/v1/media").json()["items"]
    name = next(item["name"] for item in items if item["contentType"].startswith(content_type))
    visitor = visit(works, "library")
    visitor.page.get_by_role("button", name=f"Open {name}", exact=True).click()
    return visitor


def test_a_text_track_is_shown_as_text(works: RunningServer, visit: Visit) -> None:
    visitor = opened(visit, works, "text/vtt")

    expect(visitor.page.get_by_role("dialog").locator("pre")).to_contain_text("WEBVTT")
    expect(visitor.page.get_by_role("dialog").locator("video")).to_have_count(0)


def test_a_stream_has_the_address_of_its_playlist(works: RunningServer, visit: Visit) -> None:
    visitor = opened(visit, works, "application/vnd.ballast.hls")

    address = visitor.page.get_by_role("dialog").locator("pre")
    expect(address).to_contain_text("/hls/master.m3u8")
    assert httpx.get(address.inner_text().strip()).text.startswith("#EXTM3U")
    assert serious_findings(visitor) == []
