"""A film for players, over HTTP: made by a job, served file by file, signed where keys are set, gone with its item."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.e2e.jobs import submit, wait_for
from tests.e2e.server import RunningServer, problem_of, run_server
from tests.ffmpeg.clips import make, tool

pytestmark = pytest.mark.timeout(180)

KEY = "a-key-for-tests"
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("service"), {"SERVER__API_KEYS": KEY}, secrets=(KEY,)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client(headers=HEADERS) as made:
        yield made


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(
        tmp_path_factory.mktemp("clip") / "film.mp4",
        *("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=4", "-f", "lavfi", "-i", "sine=d=4"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"),
    )


def store(client: httpx.Client, path: Path) -> str:
    answer = client.post("/v1/media?inline=never&name=film.mp4", content=path.read_bytes())
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture(scope="module")
def film(client: httpx.Client, clip: Path) -> dict[str, Any]:
    """Return the finished job."""
    job = submit(client, store(client, clip), "hls", params={"heights": [180, 90], "segmentSeconds": 2})
    return wait_for(client, job["id"], "succeeded", seconds=60)


@pytest.fixture(scope="module")
def item(film: dict[str, Any]) -> dict[str, Any]:
    (made,) = film["result"]["media"]
    return dict(made)


def addresses(playlist: str) -> list[str]:
    return re.findall(r'^[^#\s].*$|(?<=URI=")[^"]*', playlist, re.MULTILINE)


def test_the_result_is_one_item_that_tells_where_a_player_begins(film: dict[str, Any], item: dict[str, Any]) -> None:
    summary = film["result"]["summary"]

    assert (item["name"], item["kind"], item["contentType"]) == (
        *("film.zip", "other"),
        "application/vnd.ballast.hls+zip",
    )
    assert item["hls"].partition("?")[0] == f"/v1/media/{item['id']}/hls/master.m3u8"
    assert [(one["name"], one["segments"]) for one in summary["renditions"]] == [("180p", 2), ("90p", 2)]
    assert summary["sizeBytes"] == item["sizeBytes"]


def test_the_summary_tells_it_with_a_signature_of_its_own(
    server: RunningServer, client: httpx.Client, film: dict[str, Any], item: dict[str, Any]
) -> None:
    master = film["result"]["summary"]["master"]
    streamed = client.get(f"/v1/jobs/{film['id']}?inline=auto").json()["result"]["summary"]["master"]

    assert master.partition("?")[0] == item["hls"].partition("?")[0] == streamed.partition("?")[0]
    for address in (master, streamed):
        assert httpx.get(server.url + address).status_code == 200


def test_a_player_that_has_only_the_signed_url_gets_every_file(server: RunningServer, item: dict[str, Any]) -> None:
    master_url = server.url + item["hls"]
    types = set()

    master = httpx.get(master_url)
    for address in addresses(master.text):
        playlist_url = urljoin(master_url, address)
        playlist = httpx.get(playlist_url)
        assert playlist.headers["content-type"] == "application/vnd.apple.mpegurl"
        for one in addresses(playlist.text):
            segment = httpx.get(urljoin(playlist_url, one))
            assert segment.status_code == 200
            assert segment.content
            types.add((one.partition("?")[0].rpartition(".")[2], segment.headers["content-type"]))

    assert master.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert len(addresses(master.text)) == 3
    assert types == {("m4s", "video/iso.segment"), ("mp4", "video/mp4")}


def test_ffmpeg_plays_it_from_the_signed_url_with_every_frame_and_the_sound(
    server: RunningServer, item: dict[str, Any]
) -> None:
    counted = subprocess.run(
        [
            *(tool("ffprobe"), "-v", "error", "-count_packets", "-of", "csv=p=0"),
            *("-show_entries", "stream=codec_name,height,nb_read_packets", server.url + item["hls"]),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )

    streams = {tuple(line.strip(",").split(",")) for line in counted.stdout.split("\n") if line}
    pictures = {stream for stream in streams if stream[0] == "h264"}
    ((_, packets),) = streams - pictures
    assert pictures == {("h264", "180", "100"), ("h264", "90", "100")}
    assert int(packets) * 1024 / 48_000 == pytest.approx(4.0, abs=0.1)


def test_the_job_tells_where_eventsource_finds_its_events_without_a_key(
    server: RunningServer, film: dict[str, Any]
) -> None:
    path = f"/v1/jobs/{film['id']}/events"
    assert film["eventsUrl"].partition("?")[0] == path

    events = httpx.get(server.url + film["eventsUrl"])

    assert (events.status_code, events.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert "event: state" in events.text
    problem_of(httpx.get(server.url + path), 401, "unauthorized")


def test_a_signature_opens_its_own_stream_and_nothing_else(server: RunningServer, item: dict[str, Any]) -> None:
    path, _, query = item["hls"].partition("?")
    folder = path.rpartition("/")[0]

    assert httpx.get(f"{server.url}{folder}/180p/index.m3u8?{query}").status_code == 200
    problem_of(httpx.get(f"{server.url}{path}"), 401, "unauthorized")
    problem_of(httpx.get(f"{server.url}/v1/media/{item['id']}/content?{query}"), 403, "forbidden")
    problem_of(httpx.get(f"{server.url}/v1/media/{item['id']}?{query}"), 403, "forbidden")
    problem_of(httpx.get(f"{server.url}{path}?{query}&more=1"), 403, "forbidden")
    other = item["id"][:-1] + ("y" if item["id"].endswith("x") else "x")
    problem_of(httpx.get(f"{server.url}{path.replace(item['id'], other)}?{query}"), 403, "forbidden")
    content = item["url"].partition("?")[2]
    problem_of(httpx.get(f"{server.url}{path}?{content}"), 403, "forbidden")


def test_ranges_tags_and_conditions_are_obeyed(client: httpx.Client, item: dict[str, Any]) -> None:
    path = f"/v1/media/{item['id']}/hls/180p/00001.m4s"

    whole = client.get(path)
    part = client.get(path, headers={"Range": "bytes=10-19"})
    again = client.get(path, headers={"If-None-Match": whole.headers["etag"]})
    head = client.head(path)
    beyond = client.get(path, headers={"Range": "bytes=99999999-"})

    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert again.status_code == 304
    assert int(head.headers["content-length"]) == len(whole.content)
    assert client.get(f"/v1/media/{item['id']}/hls/90p/00001.m4s").headers["etag"] != whole.headers["etag"]
    assert beyond.status_code == 416


@pytest.mark.parametrize(
    "name",
    [
        *("180p/00002.m4s", "180p/0001.m4s", "180p/99999.m4s", "360p/00000.m4s", "180p", "180p/00000.m4s/"),
        *("..%2F..%2Flock", "%2e%2e/content", "180p/%2e%2e/master.m3u8", "../content", "180p//00000.m4s"),
        *("MASTER.M3U8", "%00.m3u8"),
    ],
)
def test_what_is_not_in_it_is_not_found(server: RunningServer, item: dict[str, Any], name: str) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:  # as it is written
        connection.request("GET", f"/v1/media/{item['id']}/hls/{name}", headers=HEADERS)
        answer = connection.getresponse()

        assert (answer.status, json.load(answer)["code"]) == (404, "not_found")


def test_the_video_that_it_was_made_from_plays_it_too(
    client: httpx.Client, film: dict[str, Any], item: dict[str, Any]
) -> None:
    theirs, ours = f"/v1/media/{item['id']}/hls", f"/v1/media/{film['input']}/hls"

    master = client.get(f"{ours}/master.m3u8")
    segment = client.get(f"{ours}/90p/00000.m4s", headers={"Range": "bytes=5-14"})
    head = client.head(f"{ours}/180p/00001.m4s")

    assert (master.status_code, master.text) == (200, client.get(f"{theirs}/master.m3u8").text)
    assert (segment.status_code, segment.content) == (206, client.get(f"{theirs}/90p/00000.m4s").content[5:15])
    assert head.headers["etag"] == client.head(f"{theirs}/180p/00001.m4s").headers["etag"]


def test_a_video_plays_the_newest_package_that_is_there_and_none_when_all_are_gone(
    client: httpx.Client, clip: Path
) -> None:
    video = store(client, clip)
    master = f"/v1/media/{video}/hls/master.m3u8"
    problem_of(client.get(master), 404, "not_found")
    made = []
    for height in (90, 180):
        job = submit(client, video, "hls", params={"heights": [height], "segmentSeconds": 4})
        made += wait_for(client, job["id"], "succeeded", seconds=60)["result"]["media"]

    newest = addresses(client.get(master).text)
    client.delete(f"/v1/media/{made[1]['id']}").raise_for_status()
    before = addresses(client.get(master).text)
    client.delete(f"/v1/media/{made[0]['id']}").raise_for_status()

    assert ("180p/index.m3u8" in newest, "90p/index.m3u8" in before) == (True, True)
    problem_of(client.get(master), 404, "not_found")


def test_advice_on_a_kind_that_there_is_not_names_it(client: httpx.Client, film: dict[str, Any]) -> None:
    asked = client.get("/v1/memory/advice", params={"media": film["input"], "kind": "nothing"})

    assert "kind" in problem_of(asked, 422, "invalid_parameter")["detail"]


def test_an_item_from_which_nothing_was_made_has_no_stream(client: httpx.Client, clip: Path) -> None:
    problem_of(client.get(f"/v1/media/{store(client, clip)}/hls/master.m3u8"), 404, "not_found")


def test_it_is_deleted_with_its_item(client: httpx.Client, clip: Path) -> None:
    job = submit(client, store(client, clip), "hls", params={"heights": [90], "segmentSeconds": 4})
    (made,) = wait_for(client, job["id"], "succeeded", seconds=60)["result"]["media"]
    path = f"/v1/media/{made['id']}"
    assert client.get(f"{path}/hls/90p/00000.m4s").status_code == 200

    assert client.delete(path).status_code == 204

    problem_of(client.get(f"{path}/hls/master.m3u8"), 404, "not_found")
