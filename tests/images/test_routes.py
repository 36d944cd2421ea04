"""`/v1/images` over real connections, with real children."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from app.images.conversion import CONTENT_TYPES
from app.images.params import query_model
from app.images.pipeline import ORDER
from tests.e2e.server import RunningServer, eventually, problem_of, run_server
from tests.images.renders import png
from tests.imaging.pictures import encode, png_bomb, scene
from tests.samples import form

JPEG = encode(scene(400, 300), "jpeg")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {
        "IMAGE__WORKERS": "2",
        "IMAGE__MAX_BYTES": "1M",
        "IMAGE__MAX_PIXELS": "4000000",
        "MEMORY__LIMIT": "600M",
    }
    with run_server(tmp_path_factory.mktemp("images"), settings) as server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    return image


def test_a_raw_body_and_a_form_are_answered_alike(client: httpx.Client) -> None:
    raw = client.post("/v1/images?width=100", content=JPEG, headers={"Content-Type": "image/jpeg"})
    sent = form(("file", JPEG))
    framed = client.post(
        "/v1/images?width=100", content=sent, headers={"Content-Type": "multipart/form-data; boundary=b0undary"}
    )

    assert opened(raw).size == (100, 75)
    assert raw.content == framed.content


@pytest.mark.parametrize("name", CONTENT_TYPES)
def test_every_format_is_answered_as_what_it_is(client: httpx.Client, name: str) -> None:
    answer = client.post(f"/v1/images?format={name}&width=80", content=JPEG)

    assert answer.headers["content-type"] == CONTENT_TYPES[name]
    assert opened(answer).format == name.upper()


def test_the_headers_tell_what_it_took_and_are_safe(client: httpx.Client) -> None:
    headers = client.post("/v1/images?width=80", content=JPEG).headers

    receipt = dict(part.strip().split("=") for part in headers["ballast-memory"].split(","))
    assert 0 < int(receipt["peak"]) <= int(receipt["predicted"])
    assert receipt["mode"] == "FULL_QUALITY"
    names = [entry.partition(";")[0].strip() for entry in headers["server-timing"].split(",")]
    assert names == ["decode", "transform", "encode", "cache"]
    assert "cache;desc=miss" in headers["server-timing"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["content-disposition"] == 'inline; filename="image.jpeg"'
    assert headers["cache-control"] == "no-store"
    assert "Accept" not in headers["vary"]


def test_auto_goes_by_accept_and_says_so(client: httpx.Client) -> None:
    answers = {
        accept: client.post("/v1/images?format=auto&width=80", content=JPEG, headers={"Accept": accept})
        for accept in ("image/avif,image/webp", "image/webp", "*/*")
    }

    assert [answer.headers["content-type"] for answer in answers.values()] == ["image/avif", "image/webp", "image/jpeg"]
    assert all("Accept" in answer.headers["vary"] for answer in answers.values())


def test_a_large_answer_comes_whole(client: httpx.Client) -> None:
    noise = Image.frombytes("RGB", (500, 400), os.urandom(600_000))

    answer = client.post("/v1/images?format=png", content=png(noise))

    assert len(answer.content) > 600_000
    assert opened(answer).tobytes() == noise.tobytes()


def test_noise_that_takes_more_than_is_likely_is_answered_all_the_same(client: httpx.Client) -> None:
    noise = Image.frombytes("RGB", (500, 400), os.urandom(600_000))

    answer = client.post("/v1/images?format=jpeg&quality=95", content=png(noise))

    assert len(answer.content) > 330_000  # of 128 KiB and a byte a pixel
    assert opened(answer).size == (500, 400)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("width=0", "width"), ("width=8193", "width"), ("width=a", "width"), ("height=-1", "height"), ("dpr=5", "dpr"),
        ("dpr=nan", "dpr"), ("width=8000&dpr=2", "width"), ("fit=outside", "fit"), ("gravity=up", "gravity"),
        ("enlarge=perhaps", "enlarge"), ("crop=1,2,3", "crop"), ("crop=500,0,10,10", "crop"), ("rotate=45", "rotate"),
        ("rotate=360", "rotate"), ("flip=up", "flip"), ("blur=0", "blur"), ("blur=101", "blur"),
        ("sharpen=11", "sharpen"),
        ("pixelate=1", "pixelate"), ("pixelate=257", "pixelate"), ("grayscale=3", "grayscale"),
        ("brightness=-1", "brightness"), ("contrast=5", "contrast"), ("saturation=inf", "saturation"),
        ("background=red", "background"), ("background=12345", "background"), ("watermark=x", "watermark"),
        ("watermark=" + 22 * "0", "watermark"), ("watermarkScale=2", "watermarkScale"),
        ("watermarkPosition=up", "watermarkPosition"), ("watermarkOpacity=2", "watermarkOpacity"),
        ("format=gif", "format"), ("quality=0", "quality"), ("quality=101", "quality"), ("lossless=true", "lossless"),
        ("frames=2", "frames"), ("metadata=all", "metadata"), ("widht=3", "widht"), ("width=3&width=4", "width"),
        ("store=perhaps", "store"), ("inline=x", "inline"), ("shape=x", "shape"),
    ],
)  # fmt: skip
def test_every_wrong_parameter_is_named(client: httpx.Client, query: str, name: str) -> None:
    problem = problem_of(client.post(f"/v1/images?{query}", content=JPEG), 422, "invalid_parameter")

    assert problem["detail"].startswith(name)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("width=0", "1 to 8192"), ("width=9000", "1 to 8192"), ("dpr=9", "1 to 4"), ("blur=x", "0.3 to 100"),
        ("rotate=45", "0, 90, 180, 270"), ("fit=tight", "inside, cover, contain, fill"), ("enlarge=x", "true, false"),
        ("crop=1,2", "x,y,width,height"), ("background=red", "rrggbb"), ("name=" + 1025 * "x", "1024 characters"),
        ("preset=x", "there are: none"), ("inline=x", "auto, never"), ("anonymize=all", "faces"),
    ],
)  # fmt: skip
def test_all_that_is_allowed_is_told(client: httpx.Client, query: str, words: str) -> None:
    problem = problem_of(client.post(f"/v1/images?{query}", content=JPEG), 422, "invalid_parameter")

    assert words in problem["detail"]
    assert words in problem["errors"][0]["message"]


def test_small_pictures_do_not_teach_that_large_ones_take_less(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the heap of a child has left is enough for them: they seem to take nothing."""
    small, large = (encode(Image.new("RGB", size, "teal"), "jpeg") for size in ((620, 620), (4000, 3000)))
    with run_server(tmp_path_factory.mktemp("teaching"), {"IMAGE__WORKERS": "1"}) as server, server.client() as client:
        for _ in range(25):
            assert client.post("/v1/images?width=600", content=small).status_code == 200

        answer = client.post("/v1/images?width=3000", content=large)

    assert answer.status_code == 200, answer.text
    receipt = re.fullmatch(r"predicted=(\d+), peak=(\d+), mode=\w+", answer.headers["ballast-memory"])
    assert receipt is not None
    assert 80_000_000 < int(receipt[2]) <= int(receipt[1])


def test_an_unknown_parameter_is_told_what_there_is(client: httpx.Client) -> None:
    problem = problem_of(client.post("/v1/images?size=3", content=JPEG), 422, "invalid_parameter")

    assert "watermarkOpacity" in problem["detail"]
    assert problem["errors"][0]["where"] == ["query", "size"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 415, "unsupported_media"),
        (b"text" * 20, 415, "unsupported_media"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_media"),
        (JPEG[: len(JPEG) // 2], 422, "invalid_media"),
        (JPEG[:100], 422, "invalid_media"),
        (png_bomb(20_000, 20_000), 413, "too_many_pixels"),
        (bytes(1_100_000), 413, "payload_too_large"),
    ],
)
def test_a_wrong_picture_is_refused_by_code(client: httpx.Client, body: bytes, status: int, code: str) -> None:
    problem_of(client.post("/v1/images?width=80", content=body), status, code)


def test_a_picture_that_never_fits_is_refused_with_both_numbers(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {"MEMORY__LIMIT": "170M", "UPLOAD__INLINE_MAX_BYTES": "1M", "IMAGE__MAX_PIXELS": "100000000"}
    large = png(Image.new("RGB", (6000, 6000)), compress_level=1)
    with run_server(tmp_path_factory.mktemp("small"), settings) as server, server.client() as client:
        problem = problem_of(client.post("/v1/images?format=avif", content=large), 413, "memory_exceeds_limit")
        fits = client.post("/v1/images?width=300", content=JPEG)

    assert problem["neededBytes"] > problem["limitBytes"] > 0
    assert opened(fits).size == (300, 225)


def test_what_fits_the_cheaper_way_only_says_that_it_was_reduced(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = {"MEMORY__LIMIT": "210M", "UPLOAD__INLINE_MAX_BYTES": "1M"}
    large = encode(scene(3600, 2700), "jpeg")
    with run_server(tmp_path_factory.mktemp("small"), settings) as server, server.client() as client:
        answer = client.post("/v1/images?quality=95", content=large)

    assert opened(answer).size == (3600, 2700)
    assert answer.headers["ballast-memory"].endswith(", reduced=true")


def test_a_watermark_is_laid_where_it_is_wanted(client: httpx.Client) -> None:
    plain, mark = png(Image.new("RGB", (200, 100), "white")), png(Image.new("RGB", (50, 50), "red"))
    item = client.post("/v1/media", content=mark).json()["id"]
    query = {"watermark": item, "watermarkOpacity": "1", "watermarkScale": "0.25"}

    corner = opened(client.post("/v1/images", params=query, content=plain))
    centre = opened(client.post("/v1/images", params={**query, "watermarkPosition": "center"}, content=plain))
    faint = opened(client.post("/v1/images", params={**query, "watermarkOpacity": "0.5"}, content=plain))
    small = opened(client.post("/v1/images", params={**query, "watermarkScale": "0.1"}, content=plain))

    assert corner.getpixel((180, 80)) == (255, 0, 0)
    assert corner.getpixel((100, 50)) == (255, 255, 255)
    assert centre.getpixel((100, 50)) == (255, 0, 0)
    assert faint.getpixel((180, 80)) == (255, 127, 127)
    assert small.getpixel((160, 60)) == (255, 255, 255)
    assert client.delete(f"/v1/media/{item}").status_code == 204


def test_a_watermark_that_is_no_picture_is_named(client: httpx.Client) -> None:
    item = client.post("/v1/media", content=b"ID3\4" + bytes(300)).json()["id"]

    problem = problem_of(client.post(f"/v1/images?watermark={item}", content=JPEG), 422, "invalid_parameter")

    assert problem["detail"].startswith("watermark")
    client.delete(f"/v1/media/{item}")


@pytest.mark.parametrize("query", ["", "&shape=clip", "&inline=never"])
def test_a_result_is_kept_where_that_is_asked_for(client: httpx.Client, query: str) -> None:
    answer = client.post(f"/v1/images?width=80&store=true&name=small.jpg{query}", content=JPEG)

    assert answer.status_code == 201, answer.text
    item: dict[str, Any] = answer.json()["clip"] if "clip" in query else answer.json()
    assert (item["width"], item["height"], item["kind"], item["name"]) == (80, 60, "image", "small.jpg")
    assert (item["buffer"] is None) == ("never" in query)
    assert answer.headers["location"] == f"/v1/media/{item['id']}"
    assert opened(client.get(item["url"])).size == (80, 60)
    assert client.delete(f"/v1/media/{item['id']}").status_code == 204


def test_the_operations_are_told_in_their_order(client: httpx.Client) -> None:
    document = client.get("/v1/images/operations").json()

    assert document["order"] == [operation["name"] for operation in document["operations"]]
    assert document["order"] == [name for name in (*ORDER, "convert") if name in document["order"]]
    parameters = {name: schema for one in document["operations"] for name, schema in one["parameters"].items()}
    assert len(parameters) == len(query_model().model_fields)
    assert parameters["width"]["anyOf"][0]["maximum"] == 8192
    assert parameters["fit"]["enum"] == ["inside", "cover", "contain", "fill"]


def test_it_is_described_for_programs(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]["/v1/images"]["post"]

    names = {parameter["name"] for parameter in described["parameters"]}
    assert {"width", "watermarkOpacity", "store"} <= names
    assert set(described["responses"]["200"]["content"]) == set(CONTENT_TYPES.values())
    assert {"413", "415", "422", "429", "500", "503", "504"} <= described["responses"].keys()


def test_nothing_is_left_behind(client: httpx.Client, server: RunningServer) -> None:
    client.post("/v1/images?width=80", content=JPEG)

    eventually(lambda: not server.memory()["tempFiles"]["count"])
    memory = server.memory()

    owners = {holder["owner"] for holder in memory["budget"]["holders"]}
    assert "image" not in owners
    assert "imaging" in owners
    assert {process["role"] for process in memory["processes"]} >= {"api", "zygote", "imaging"}
