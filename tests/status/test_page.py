"""`/` and `/static/*`: what is served, with which headers, and what is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.http import problems
from app.main import create_app
from app.settings import ServerSettings, Settings, StorageSettings
from app.status.page import STATIC_FOLDER, build_router
from tests.serving import exchange, serve


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    settings = Settings(
        storage=StorageSettings(root=tmp_path_factory.mktemp("root")), server=ServerSettings(api_keys=("a-key-1f2e",))
    )
    with serve(create_app(settings)) as port:
        yield port


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        yield client


def test_the_page_needs_no_key_and_what_it_shows_does(client: httpx.Client) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/static/js/ballast.js").status_code == 200
    assert client.get("/v1/media").status_code == 401
    assert client.get("/v1/limits").status_code == 401


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/static/docs.html", "text/html; charset=utf-8"),
        ("/static/js/ballast.js", "text/javascript; charset=utf-8"),
        ("/static/css/base.css", "text/css; charset=utf-8"),
        ("/static/favicon.svg", "image/svg+xml"),
        ("/static/js/package.json", "application/json"),
    ],
)
def test_types_are_right_and_not_to_be_guessed(client: httpx.Client, path: str, content_type: str) -> None:
    answer = client.get(path)

    assert answer.headers["content-type"] == content_type
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_file_of_the_page_is_there(client: httpx.Client) -> None:
    paths = [path for path in STATIC_FOLDER.rglob("*") if path.is_file()]

    for path in paths:
        answer = client.get(f"/static/{path.relative_to(STATIC_FOLDER).as_posix()}")
        assert (answer.status_code, answer.content) == (200, path.read_bytes()), path
    assert len(paths) > 20


def test_every_module_that_is_imported_is_there() -> None:
    for path in STATIC_FOLDER.rglob("*.js"):
        for name in re.findall(r"(?:from|import) '(\.[^']+)'", path.read_text()):
            assert (path.parent / name).is_file(), f"{path.name} imports {name}"


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere(client: httpx.Client, port: int) -> None:
    policy = dict(part.strip().split(" ", 1) for part in client.get("/").headers["content-security-policy"].split(";"))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == f"'self' ws://127.0.0.1:{port} wss://127.0.0.1:{port}"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"


def test_a_strange_host_gets_nothing_into_the_policy() -> None:
    """Behind the guards there is none; the policy does not rely on them."""
    request = b"GET / HTTP/1.1\r\nHost: x; script-src *\r\nConnection: close\r\n\r\n"

    with serve(_page_of(STATIC_FOLDER)) as port:
        status, body = exchange(port, request)
        answer = httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": "x;y"})

    assert status in (200, 400), body
    assert "'self'" in answer.headers["content-security-policy"]
    assert "x;y" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/static/js/page.js"])
def test_a_foreign_name_gets_no_page_although_it_needs_no_key(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Host": "evil.example"})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("name", ["index.html", "docs.html"])
def test_nothing_is_inline_in_the_page(name: str) -> None:
    page = (STATIC_FOLDER / name).read_text()

    assert re.search(r"<script(?![^>]*\ssrc=)", page) is None
    assert re.search(r"\son\w+=|\sstyle=|<style", page) is None
    assert "http" not in page


def test_the_description_is_shown_from_our_own_files_only(client: httpx.Client) -> None:
    key = {"Authorization": "Bearer a-key-1f2e"}

    answer = client.get("/docs", headers=key)

    loaded = re.findall(r'(?:href|src)="([^"]*)"', answer.text)
    policy = answer.headers["content-security-policy"]
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"/docs.js" in answer.content
    assert "script-src 'self'; style-src 'self'" in policy
    assert [path for path in loaded if client.get(path, headers=key).status_code != 200 and path != "#main"] == []


def test_the_description_needs_the_key_and_the_page_that_shows_it_asks_for_it(client: httpx.Client) -> None:
    assert client.get("/docs").status_code == 200
    assert client.get("/openapi.json").status_code == 401
    assert client.get("/static/docs.html").status_code == 200


@pytest.mark.parametrize("path", ["/redoc", "/docs/oauth2-redirect", "/docs/"])
def test_there_are_no_other_pages_of_the_description(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Authorization": "Bearer a-key-1f2e"})

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", ["docs.html", "css/docs.css", "js/docs.js", "js/ui/operations.js", "js/ui/schema.js"])
def test_no_file_of_the_description_names_another_machine(name: str) -> None:
    assert re.findall(r"//[a-z0-9-]+\.[a-z]{2,}", (STATIC_FOLDER / name).read_text()) == []


def test_a_file_that_has_not_changed_is_not_sent_again(client: httpx.Client) -> None:
    first = client.get("/static/js/ballast.js")

    second = client.get("/static/js/ballast.js", headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["cache-control"] == "no-cache"
    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["etag"] == first.headers["etag"]


def test_head_tells_the_size_and_sends_nothing(client: httpx.Client) -> None:
    answer = client.head("/static/css/base.css")

    assert answer.content == b""
    assert int(answer.headers["content-length"]) == (STATIC_FOLDER / "css" / "base.css").stat().st_size


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app/main.py",
        "/static/%2e%2e/app/main.py",
        "/static/..%2fapp%2fmain.py",
        "/static/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/static//etc/passwd",
        "/static/js/../../app/main.py",
        "/static/js",
        "/static/js/",
        "/static/",
        "/static/js/ballast.js/",
        "/static/js%00/ballast.js",
        "/static/JS/ballast.js",
    ],
)
def test_nothing_but_the_files_of_the_page_is_found(port: int, path: str) -> None:
    status, body = exchange(port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    assert status == 404
    assert b'"code": "not_found"' in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_page_is_only_read(client: httpx.Client, method: str) -> None:
    answer = client.request(method, "/")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_links_and_files_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>page")
    (tmp_path / "secret.pem").write_text("secret")
    (tmp_path / "out.js").symlink_to(__file__)

    with serve(_page_of(tmp_path)) as port:
        statuses = [
            httpx.get(f"http://127.0.0.1:{port}{path}").status_code
            for path in ("/", "/static/secret.pem", "/static/out.js")
        ]

    assert statuses == [200, 404, 404]


def test_without_its_folder_there_is_no_page(tmp_path: Path) -> None:
    with serve(_page_of(tmp_path / "none")) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def _page_of(folder: Path) -> FastAPI:
    app = FastAPI()
    problems.install(app)
    app.include_router(build_router(folder))
    return app
