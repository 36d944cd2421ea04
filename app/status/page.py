"""`/` and `/static/*`: the page and the browser kit, and `/docs`: a page that shows `/openapi.json`.

All of it is ours, from our own files. The first two need no key: they are nothing but code.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from app.errors import NotFound
from app.http.conditions import Validators

STATIC_FOLDER = Path(__file__).resolve().parents[2] / "static"

OPEN_PATHS = ("/",)
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

_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SANE_HOST = re.compile(r"[A-Za-z0-9.\[\]:-]{1,255}")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file of the page. All of them together are about 200 KB, and are read once."""

    content: bytes
    content_type: str
    validity: Validators


def build_router(folder: Path = STATIC_FOLDER) -> APIRouter:
    """Return the routes of the page; without `folder` they answer 404.

    What is served is what was there at start: an address is looked up among these names, never turned into a path.
    """
    files = _read_files(folder)
    router = APIRouter()

    async def page(request: Request) -> Response:
        return _answer(request, files.get("index.html"))

    async def docs(request: Request) -> Response:
        return _answer(request, files.get("docs.html"))

    async def static(request: Request) -> Response:
        return _answer(request, files.get(request.path_params["name"]))

    router.add_route("/", page, methods=["GET"], include_in_schema=False)
    router.add_route("/docs", docs, methods=["GET"], include_in_schema=False)
    router.add_route("/static/{name:path}", static, methods=["GET"], include_in_schema=False)
    return router


def _read_files(folder: Path) -> dict[str, StaticFile]:
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in _TYPES and path.is_file()]
    paths = [path for path in paths if not path.is_symlink()]
    return {path.relative_to(folder).as_posix(): _read_file(path) for path in paths}


def _read_file(path: Path) -> StaticFile:
    content = path.read_bytes()
    modified_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return StaticFile(
        content, _TYPES[path.suffix], Validators(f'"{hashlib.sha256(content).hexdigest()[:32]}"', modified_at)
    )


def _answer(request: Request, file: StaticFile | None) -> Response:
    if file is None:
        raise NotFound("There is no such page.")
    headers = {
        **_HEADERS,
        "Content-Security-Policy": _content_policy(request.headers),
        "ETag": file.validity.etag,
        "Last-Modified": file.validity.last_modified,
    }
    if file.validity.not_modified(request.headers):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(len(file.content))}, media_type=file.content_type)
    return Response(file.content, headers=headers, media_type=file.content_type)


def _content_policy(headers: Headers) -> str:
    """Return the policy: no inline script or style, and nothing from other origins.

    The WebSocket's address is given in full: not every browser counts it as `'self'` (CSP 3 does, CSP 2 did not).
    """
    host = headers.get("host", "")
    socket = f" ws://{host} wss://{host}" if _SANE_HOST.fullmatch(host) else ""
    return _CONTENT_POLICY.format(connect=f"'self'{socket}")
