"""Pictures derived from stored items, against the real service: made once, kept, gone with their item."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from PIL import Image

from tests.e2e.server import RunningServer, eventually, problem_of, run_server, run_to_its_end
from tests.ffmpeg.clips import clip
from tests.imaging.pictures import encode, scene

PRESETS = "thumb:width=60&height=60&fit=cover&format=png; wide:width=90"
SIZE = (200, 140)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"IMAGE__PRESETS": PRESETS, "IMAGE__WORKERS": "1"}
    with run_server(tmp_path_factory.mktemp("derived"), settings) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def stored(client: httpx.Client, data: bytes | None = None) -> dict[str, Any]:
    answer = client.post("/v1/media?inline=never", content=data or encode(scene(*SIZE), "jpeg", quality=95))
    assert answer.status_code == 201, answer.text
    item: dict[str, Any] = answer.json()
    return item


@pytest.fixture
def path(client: httpx.Client) -> str:
    """Where a new stored picture is shown."""
    return f"/v1/media/{stored(client)['id']}/image"


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    return image


def cache_of(answer: httpx.Response) -> str:
    found = re.search(r"cache;desc=(\w+)", answer.headers["server-timing"])
    assert found is not None
    return found[1]


def cache_files(server: RunningServer, media_id: str = "") -> list[Path]:
    return [one for one in (server.root / "derived").rglob(f"{media_id}*/*") if one.is_file()]


def test_a_stored_picture_is_shown_as_it_is_wanted(client: httpx.Client, path: str) -> None:
    answer = client.get(f"{path}?width=50&format=webp")

    image = opened(answer)
    assert (image.format, image.size) == ("WEBP", (50, 35))
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "private, max-age=3600"
    assert re.fullmatch(r"predicted=\d+, peak=\d+, mode=\w+", answer.headers["ballast-memory"])
    assert {"decode", "transform", "encode"} <= set(re.findall(r"(\w+);", answer.headers["server-timing"]))


def test_the_second_answer_is_the_same_and_comes_from_the_cache(client: httpx.Client, path: str) -> None:
    first = client.get(f"{path}?width=50&height=40")
    second = client.get(f"{path}?height=40&width=50")

    assert (cache_of(first), cache_of(second)) == ("miss", "hit")
    assert second.content == first.content
    for name in ("etag", "content-type", "ballast-memory"):
        assert second.headers[name] == first.headers[name]


def test_what_memory_gave_back_is_still_in_its_file(client: httpx.Client, path: str) -> None:
    first = client.get(f"{path}?width=50")
    client.post("/v1/memory/reclaim")

    second = client.get(f"{path}?width=50")

    assert (cache_of(second), second.content) == ("hit", first.content)


def test_what_was_derived_outlives_the_service(tmp_path: Path) -> None:
    with run_server(tmp_path) as server, server.client() as client:
        path = f"/v1/media/{stored(client)['id']}/image?width=50"
        first = client.get(path)

    with run_server(tmp_path) as server, server.client() as client:
        second = client.get(path)
        files = client.get("/metrics/memory").json()["cache"]["files"]

    assert (cache_of(second), second.content, second.headers["etag"]) == ("hit", first.content, first.headers["etag"])
    assert (files["entries"], files["hits"]) == (1, 1)


def test_equal_requests_at_one_time_are_one_piece_of_work(client: httpx.Client, server: RunningServer) -> None:
    path = f"/v1/media/{stored(client, encode(scene(3000, 2000), 'jpeg'))['id']}/image?width=800&format=webp"
    before = _calls(client)

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: httpx.get(f"{server.url}{path}", timeout=60), range(6)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert _calls(client) - before == 1


def _calls(client: httpx.Client) -> int:
    """How often a picture was made: each time it is forecast anew."""
    forecast = client.get("/metrics/memory").json()["forecast"]
    return sum(one["calls"] for one in forecast if one["operation"].startswith("image-"))


def test_the_tag_is_known_before_the_work_and_nothing_is_done_for_who_has_it(client: httpx.Client, path: str) -> None:
    head = client.head(f"{path}?width=51")
    files = client.get("/metrics/memory").json()["cache"]["files"]["entries"]

    unchanged = client.get(f"{path}?width=51", headers={"If-None-Match": f'"other", W/{head.headers["etag"]}'})
    made = client.get(f"{path}?width=51")

    assert (head.status_code, unchanged.status_code, made.status_code) == (200, 304, 200)
    assert unchanged.content == b""
    assert head.headers["etag"] == unchanged.headers["etag"] == made.headers["etag"]
    assert client.get("/metrics/memory").json()["cache"]["files"]["entries"] == files + 1
    assert client.head(f"{path}?width=51").headers["content-length"] == str(len(made.content))
    assert head.headers["content-type"] == made.headers["content-type"]


def test_other_parameters_and_other_items_have_other_tags(client: httpx.Client, path: str) -> None:
    other = f"/v1/media/{stored(client)['id']}/image"
    urls = (path, f"{path}?width=50", f"{path}?width=50&format=png", f"{other}?width=50")

    assert len({client.head(url).headers["etag"] for url in urls}) == len(urls)


def test_a_part_can_be_asked_for(client: httpx.Client, path: str) -> None:
    whole = client.get(f"{path}?width=50")
    tag = whole.headers["etag"]

    part = client.get(f"{path}?width=50", headers={"Range": "bytes=10-19", "If-Range": tag})
    beyond = client.get(f"{path}?width=50", headers={"Range": "bytes=999999-"})
    changed = client.get(f"{path}?width=50", headers={"Range": "bytes=10-19", "If-Range": '"another"'})

    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert (beyond.status_code, changed.status_code) == (416, 200)
    assert client.get(f"{path}?width=50", headers={"If-Match": '"another"'}).status_code == 412


def test_a_large_result_is_sent_from_its_file_and_in_parts(client: httpx.Client) -> None:
    noise = Image.effect_noise((1400, 1400), 90)
    path = f"/v1/media/{stored(client, encode(noise, 'png'))['id']}/image?format=png&blur=0.3"

    whole = client.get(path)
    part = client.get(path, headers={"Range": "bytes=1200000-1200099"})

    assert len(whole.content) > 1024 * 1024
    assert (cache_of(whole), cache_of(part)) == ("miss", "hit")
    assert part.content == whole.content[1200000:1200100]
    assert client.get("/metrics/memory").json()["cache"]["sizeBytes"] < 1024 * 1024


def test_a_preset_stands_for_its_parameters_and_others_override_them(client: httpx.Client) -> None:
    item = stored(client)

    thumb = opened(client.get(item["presets"]["thumb"]))
    smaller = opened(client.get(f"{item['presets']['thumb']}&width=30"))
    sent = opened(client.post("/v1/images?preset=thumb", content=encode(scene(*SIZE), "jpeg")))

    assert set(item["presets"]) == {"thumb", "wide"}
    assert (thumb.format, thumb.size, smaller.size, sent.size) == ("PNG", (60, 60), (30, 60), (60, 60))


def test_a_preset_and_its_parameters_are_one_entry(client: httpx.Client, path: str) -> None:
    client.get(f"{path}?preset=wide")

    assert cache_of(client.get(f"{path}?width=90")) == "hit"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("width=0", "width"),
        ("widht=100", "widht: There is no such parameter"),
        ("width=1&width=2", "width: It is given more than once"),
        ("preset=none", "preset: There is no such preset; there are: thumb, wide"),
        ("at=1", "at: only videos have frames"),
        ("at=-1", "at"),
        ("at=nan", "at"),
        ("width=%FF", "width"),
    ],
)
def test_a_wrong_parameter_is_named(client: httpx.Client, path: str, query: str, words: str) -> None:
    problem = problem_of(client.get(f"{path}?{query}"), 422, "invalid_parameter")

    assert words in problem["detail"]


@pytest.mark.parametrize("media_id", ["i" + "0" * 21, "x", "..%2f..%2fetc"])
def test_what_is_not_there_is_not_found_whatever_the_client_has(client: httpx.Client, media_id: str) -> None:
    answer = client.get(f"/v1/media/{media_id}/image?width=50", headers={"If-None-Match": "*"})

    problem_of(answer, 404, "not_found")


def test_format_auto_follows_accept_and_says_so(client: httpx.Client, path: str) -> None:
    plain = client.get(f"{path}?format=auto")
    webp = client.get(f"{path}?format=auto", headers={"Accept": "image/webp"})

    assert (plain.headers["content-type"], webp.headers["content-type"]) == ("image/jpeg", "image/webp")
    assert plain.headers["etag"] != webp.headers["etag"]
    assert "Accept" in plain.headers["vary"]


def test_what_was_derived_goes_with_its_item(client: httpx.Client, server: RunningServer) -> None:
    item = stored(client)
    url = f"/v1/media/{item['id']}"
    tag = client.get(f"{url}/image?width=50").headers["etag"]
    client.get(f"{url}/info")
    there = len(cache_files(server, item["id"]))

    client.delete(url)

    assert (there, cache_files(server, item["id"])) == (2, [])
    problem_of(client.get(f"{url}/image?width=50"), 404, "not_found")
    problem_of(client.get(f"{url}/image?width=50", headers={"If-None-Match": tag}), 404, "not_found")


def test_what_has_a_watermark_goes_with_the_watermark_too(client: httpx.Client, server: RunningServer) -> None:
    mark, item = stored(client, encode(scene(40, 40), "png")), stored(client)
    url = f"/v1/media/{item['id']}/image?watermark={mark['id']}"
    made = client.get(url)
    files = cache_files(server, item["id"])

    client.delete(f"/v1/media/{mark['id']}")

    assert (made.status_code, len(files)) == (200, 1)
    assert cache_files(server, item["id"]) == cache_files(server, mark["id"]) == []
    problem_of(client.get(url), 422, "invalid_parameter")


def test_a_frame_of_a_video_is_shown_and_kept(client: httpx.Client) -> None:
    path = f"/v1/media/{stored(client, clip('mp4'))['id']}/image"

    first = client.get(f"{path}?at=0.5&width=160")
    second = client.get(f"{path}?at=0.5&width=160")
    other = client.get(f"{path}?at=0.1&width=160")

    assert (opened(first).size, opened(first).format) == ((160, 90), "JPEG")
    assert (cache_of(second), second.content) == ("hit", first.content)
    assert other.content != first.content


def test_the_last_frame_is_shown_until_the_end(client: httpx.Client) -> None:
    item = stored(client, clip("mp4"))
    path, duration = f"/v1/media/{item['id']}/image", item["durationSeconds"]
    last = client.get(f"{path}?at={duration - 0.5 / item['frameRate']:.3f}&format=png")

    for at in (duration, duration - 0.001):
        answer = client.get(f"{path}?at={at}&format=png")

        assert opened(answer).tobytes() == opened(last).tobytes()


@pytest.mark.parametrize(("query", "words"), [("", "say which frame"), ("?at=99", "no frame at that time")])
def test_a_time_is_needed_and_must_be_in_the_video(client: httpx.Client, query: str, words: str) -> None:
    media_id = stored(client, clip("webm"))["id"]

    assert words in problem_of(client.get(f"/v1/media/{media_id}/image{query}"), 422, "invalid_parameter")["detail"]


def test_after_the_end_there_is_no_frame_for_any_method_or_condition(client: httpx.Client) -> None:
    path = f"/v1/media/{stored(client, clip('mp4'))['id']}/image"

    assert client.head(f"{path}?at=0.9").status_code == 200
    assert client.head(f"{path}?at=100").status_code == 422
    problem_of(client.get(f"{path}?at=100", headers={"If-None-Match": "*"}), 422, "invalid_parameter")


def test_the_frame_that_has_begun_is_shown_until_the_next_one(client: httpx.Client) -> None:
    path = f"/v1/media/{stored(client, clip('mp4'))['id']}/image?format=png"
    first, second = (opened(client.get(f"{path}&at={at}")).tobytes() for at in (0.2, 0.24))

    assert first != second
    for at, shown in ((0.219, first), (0.239, first), (0.241, second), (0.279, second)):
        assert opened(client.get(f"{path}&at={at}")).tobytes() == shown


def test_a_sound_has_no_picture(client: httpx.Client) -> None:
    media_id = stored(client, clip("wav"))["id"]

    problem_of(client.get(f"/v1/media/{media_id}/image"), 415, "unsupported_media")
    problem_of(client.get(f"/v1/media/{media_id}/info"), 415, "unsupported_media")


def test_the_cage_of_imaging_children_is_told_too(client: httpx.Client, path: str) -> None:
    client.get(f"{path}?width=33")

    imaging = client.get("/metrics/memory").json()["sandbox"]["imaging"]

    assert (imaging["policy"], imaging["network"], imaging["startMethod"]) == ("required", False, "fork")
    assert client.get("/v1/limits").json()["derived"]["imageWorkers"] == 1


def test_store_makes_an_item_of_the_result(client: httpx.Client, path: str) -> None:
    answer = client.get(f"{path}?width=50&format=png&store=true&name=small.png")

    item = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/media/{item['id']}"
    assert (item["name"], item["contentType"], item["width"], item["height"]) == ("small.png", "image/png", 50, 35)
    assert item["buffer"] is not None
    assert client.get(item["url"]).content == client.get(f"{path}?width=50&format=png").content


def test_store_is_not_done_for_strangers(client: httpx.Client, path: str) -> None:
    before = client.get("/v1/media").json()["items"]

    answer = client.get(f"{path}?width=50&store=true", headers={"Sec-Fetch-Site": "cross-site"})

    problem_of(answer, 403, "forbidden")
    assert client.get("/v1/media").json()["items"] == before


def test_info_tells_what_a_front_end_wants_to_know(client: httpx.Client) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    data = encode(scene(*SIZE), "jpeg", exif=exif.tobytes())
    url = f"/v1/media/{stored(client, data)['id']}/info"

    plain, told, place = (
        client.get(f"{url}{query}").json() for query in ("", "?exif=true", "?exif=true&location=true")
    )
    sent = client.post("/v1/images/info", content=data).json()

    assert (plain["format"], plain["width"], plain["height"], plain["orientation"]) == ("jpeg", 140, 200, 6)
    assert (plain["frames"], plain["hasAlpha"], plain["colorSpace"], plain["sizeBytes"]) == (
        1,
        False,
        "srgb",
        len(data),
    )
    assert re.fullmatch("#[0-9a-f]{6}", plain["dominantColor"])
    assert (plain["exif"], told["exif"]["Make"], "GPSInfo" in told["exif"]) == (None, "Camera", False)
    assert place["exif"]["GPSInfo"] == {"GPSLatitudeRef": "N"}
    assert sent == plain


@pytest.mark.parametrize(("query", "words"), [("exif=x", "true, false"), ("gps=true", "exif, location")])
def test_info_names_what_is_wrong_and_what_is_allowed(client: httpx.Client, query: str, words: str) -> None:
    url = f"/v1/media/{stored(client)['id']}/info?{query}"

    for answer in (client.get(url), client.post(f"/v1/images/info?{query}", content=encode(scene(*SIZE), "jpeg"))):
        problem = problem_of(answer, 422, "invalid_parameter")
        assert problem["detail"].startswith(query.partition("=")[0])
        assert words in problem["detail"]


def test_with_keys_the_answers_have_signed_urls_that_open_nothing_else(tmp_path: Path) -> None:
    settings = {"SERVER__API_KEYS": "a-long-key-of-the-test", "IMAGE__PRESETS": PRESETS}
    with run_server(tmp_path, settings, secrets=("a-long-key-of-the-test",)) as server, server.client() as client:
        client.headers["Authorization"] = "Bearer a-long-key-of-the-test"
        url = stored(client)["presets"]["thumb"]
        signed = [pair for pair in parse_qsl(urlsplit(url).query) if pair[0] in ("expires", "sig")]
        image = urlsplit(url).path

        with server.client() as stranger:
            shown = stranger.get(url)
            others = [
                stranger.get(image),
                stranger.get(f"{url}&width=900"),
                stranger.get(url.replace("thumb", "wide")),
                stranger.get(image, params=[("width", "900"), *signed]),
                stranger.get(image.replace("/image", "/content"), params=[("preset", "thumb"), *signed]),
            ]

    assert opened(shown).size == (60, 60)
    assert [answer.status_code for answer in others] == [401, 403, 403, 403, 403]


def test_presets_that_are_no_query_stop_the_start(tmp_path: Path) -> None:
    outcome = run_to_its_end(tmp_path, {"IMAGE__PRESETS": "thumb:widht=60"})

    assert outcome.returncode == 2
    assert "BALLAST_IMAGE__PRESETS: thumb: widht: There is no such parameter" in outcome.stderr


def test_what_is_in_the_cache_is_told(client: httpx.Client, path: str) -> None:
    client.get(f"{path}?width=52")
    client.get(f"{path}?width=52")

    cache = eventually(lambda: client.get("/metrics/memory").json()["cache"])

    assert cache["bySource"]["images"]["entries"] >= 1
    assert 0 < cache["hitRate"] < 1
    assert set(cache["files"]) == {"entries", "sizeBytes", "limitBytes", "hits", "misses", "evictions"}
