"""The page as few files: everything is in them, nothing is left that they would ask for, and mistakes are refused."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.status.page import STATIC_FOLDER
from app.status.page_bundle import Bundles, make_bundles
from tests.serving import serve
from tests.status.test_page import _page_of

FIRST_LOAD_BYTES = 150_000


@pytest.fixture(scope="module")
def bundles() -> Bundles:
    paths = [path for path in STATIC_FOLDER.rglob("*") if path.is_file()]
    return make_bundles({path.relative_to(STATIC_FOLDER).as_posix(): path.read_bytes() for path in paths})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serve(_page_of(STATIC_FOLDER)) as port:
        yield port


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def test_the_page_and_any_one_view_are_small(bundles: Bundles) -> None:
    sizes = {name.rpartition("/")[2]: len(content) for name, content in bundles.files.items()}
    sent = {name.rpartition("/")[2]: len(gzip.compress(content)) for name, content in bundles.files.items()}
    views = [size for name, size in sent.items() if name.startswith("index-")]

    assert len(views) >= 6
    assert sent["index.js"] + sent["index.css"] + max(views) < FIRST_LOAD_BYTES / 2
    assert sizes["index.js"] + sizes["index.css"] + sizes["index-camera.js"] < FIRST_LOAD_BYTES


def test_every_file_of_a_bundle_is_a_module_that_parses(bundles: Bundles, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    for number, (name, content) in enumerate(bundles.files.items()):
        if name.endswith(".js"):
            path = tmp_path / f"{number}.mjs"
            path.write_bytes(content)
            run = subprocess.run([node, "--check", path], capture_output=True, text=True, check=False)
            assert run.returncode == 0, f"{name}: {run.stderr[:500]}"


def test_a_bundle_asks_for_nothing_but_bundles(bundles: Bundles) -> None:
    for name, content in bundles.files.items():
        for asked in re.findall(r"(?:from '|import\(`)([^'$]+)['$]", content.decode()):
            assert asked.removeprefix("/static/") in bundles.files, f"{name} asks for {asked}"


def test_another_source_has_another_address() -> None:
    page = b'<title>x</title>\n<link rel="stylesheet" href="/static/css/a.css">\n'
    page += b'<script type="module" src="/static/js/a.js"></script>'
    sources = {"index.html": page, "css/a.css": b"a {\n}\n", "js/a.js": b"export const a = 1;\n"}

    one, other = make_bundles(sources), make_bundles(sources | {"js/a.js": b"export const a = 2;\n"})

    assert one.files.keys().isdisjoint(other.files.keys())


@pytest.mark.parametrize(
    "source",
    [
        b"import a from './b.js';\n",
        b"export default 1;\n",
        b"export * from './b.js';\n",
        b"import { a } from './a.js';\n",
        b"export const a = `one\n  two`;\n",
    ],
)
def test_what_is_not_understood_is_refused(source: bytes) -> None:
    page = b'<title>x</title>\n<link rel="stylesheet" href="/static/css/a.css">\n'
    page += b'<script type="module" src="/static/js/a.js"></script>'

    with pytest.raises(ValueError, match=r"js/a\.js"):
        make_bundles({"index.html": page, "css/a.css": b"", "js/a.js": source, "js/b.js": b"export const a = 1;\n"})


def test_bundles_are_kept_for_good_and_sent_compressed(client: httpx.Client) -> None:
    page = client.get("/").text
    address = re.findall(r'src="([^"]+)"', page)[0]

    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    packed = client.get(address, headers={"Accept-Encoding": "gzip, br"})
    refused = client.get(address, headers={"Accept-Encoding": "gzip;q=0"})

    assert plain.content == packed.content == refused.content
    assert "immutable" in packed.headers["cache-control"]
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refused.headers
    assert client.get(address, headers={"If-None-Match": packed.headers["etag"]}).status_code == 304
    assert client.get("/").headers["cache-control"] == "no-cache"


def test_compressed_bytes_are_what_is_said(client: httpx.Client) -> None:
    address = re.findall(r'src="([^"]+)"', client.get("/").text)[0]

    with client.stream("GET", address, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())

    assert gzip.decompress(raw) == client.get(address, headers={"Accept-Encoding": "identity"}).content
