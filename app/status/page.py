"""`/` and `/static/*`: the page and the browser kit, and `/docs`: a page that shows `/openapi.json`.

All of it is ours, from our own files. None of it needs a key: it is nothing but code, and asks for the key itself.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from app.errors import NotFound
from app.http.conditions import Validators
from app.status.page_bundle import FOLDER, Bundles, make_bundles

STATIC_FOLDER = Path(__file__).resolve().parents[2] / "static"

OPEN_PATHS = ("/", "/docs")
OPEN_PREFIXES = ("/static/",)

# Fixed here: what a system's own list says of .js differs, and browsers load a module only with the right type.
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}

_HEADERS = {
    # The names of the files never change, so every use revalidates, which is mostly answered with 304.
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_LEAST_COMPRESSED_BYTES = 1024
"""What is smaller than a packet is not made smaller."""

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SANE_HOST = re.compile(r"[A-Za-z0-9.\[\]:-]{1,255}")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of the page. All of them together are about 600 KB, and are read once.

    `compressed` is what of it goes to who takes gzip; `keeps` says that its address changes with its content.
    """

    content: bytes
    content_type: str
    validity: Validators
    compressed: bytes | None = None
    keeps: bool = False


def build_router(folder: Path = STATIC_FOLDER) -> APIRouter:
    """Return the routes of the page; without `folder` they answer 404.

    What is served is what was there at start: an address is looked up among these names, never turned into a path.
    The pages load bundles of the files (`page_bundle`); the files themselves are there for who uses the kit.
    """
    paths = _paths(folder)
    bundles = make_bundles({name: path.read_bytes() for name, path in paths.items()})
    files = {name: _read_file(path) for name, path in paths.items()} | _bundled(bundles, paths)
    pages = {name: _page(name, html, paths[name]) for name, html in bundles.pages.items()}
    router = APIRouter()

    async def page(request: Request) -> Response:
        return _answer(request, pages.get("index.html") or files.get("index.html"))

    async def docs(request: Request) -> Response:
        return _answer(request, pages.get("docs.html") or files.get("docs.html"))

    async def static(request: Request) -> Response:
        return _answer(request, files.get(request.path_params["name"]))

    router.add_route("/", page, methods=["GET"], include_in_schema=False)
    router.add_route("/docs", docs, methods=["GET"], include_in_schema=False)
    router.add_route("/static/{name:path}", static, methods=["GET"], include_in_schema=False)
    return router


def _paths(folder: Path) -> dict[str, Path]:
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in _TYPES and path.is_file()]
    return {path.relative_to(folder).as_posix(): path for path in paths if not path.is_symlink()}


def _read_file(path: Path) -> StaticFile:
    return _file(path.name, path.read_bytes(), _modified_at(path))


def _bundled(bundles: Bundles, paths: Mapping[str, Path]) -> dict[str, StaticFile]:
    newest = max((_modified_at(path) for path in paths.values()), default=datetime.now(UTC))
    return {name: _file(name, content, newest) for name, content in bundles.files.items()}


def _page(name: str, html: bytes, path: Path) -> StaticFile:
    return _file(name, html, _modified_at(path))


def _file(name: str, content: bytes, modified_at: datetime) -> StaticFile:
    suffix = Path(name).suffix
    is_text = suffix != ".png" and len(content) >= _LEAST_COMPRESSED_BYTES
    return StaticFile(
        content,
        _TYPES[suffix],
        Validators(f'"{hashlib.sha256(content).hexdigest()[:32]}"', modified_at),
        gzip.compress(content, mtime=0) if is_text and name.startswith(f"{FOLDER}/") else None,
        name.startswith(f"{FOLDER}/"),
    )


def _modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _answer(request: Request, file: StaticFile | None) -> Response:
    if file is None:
        raise NotFound("There is no such page.")
    headers = {
        **_HEADERS,
        "Content-Security-Policy": _content_policy(request.headers),
        "ETag": file.validity.etag,
        "Last-Modified": file.validity.last_modified,
    }
    if file.keeps:
        headers["Cache-Control"] = "public, max-age=31536000, immutable"
    content = file.content
    if file.compressed is not None:
        headers["Vary"] = "Accept-Encoding"
        if _takes_gzip(request.headers):
            content, headers["Content-Encoding"] = file.compressed, "gzip"
            headers["ETag"] = f"W/{file.validity.etag}"
    if file.validity.not_modified(request.headers):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(len(content))}, media_type=file.content_type)
    return Response(content, headers=headers, media_type=file.content_type)


def _takes_gzip(headers: Headers) -> bool:
    """Whether gzip is among what is accepted, and not with a weight of 0 (RFC 9110, section 12.5.3)."""
    accepted = (part.strip().partition(";") for part in headers.get("accept-encoding", "").lower().split(","))
    return any(name.strip() == "gzip" and not re.fullmatch(r"\s*q=0(\.0*)?\s*", rest) for name, _, rest in accepted)


def _content_policy(headers: Headers) -> str:
    """Return the policy: no inline script or style, and nothing from other origins.

    The WebSocket's address is given in full: not every browser counts it as `'self'` (CSP 3 does, CSP 2 did not).
    """
    host = headers.get("host", "")
    socket = f" ws://{host} wss://{host}" if _SANE_HOST.fullmatch(host) else ""
    return _CONTENT_POLICY.format(connect=f"'self'{socket}")
