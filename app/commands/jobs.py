"""`ballast jobs`: lists, shows, cancels and retries the jobs of a running service, over HTTP."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import Any

from app.command import Command, CommandRefused

_COLUMNS = ("id", "kind", "state", "progress", "step", "createdAt")


class Jobs(Command):
    name = "jobs"
    summary = "list, show, cancel and retry the jobs of a running service"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("list", "show", "cancel", "retry"))
        parser.add_argument("ids", nargs="*", metavar="ID", help="jobs to show, cancel or retry")
        parser.add_argument("--url", help="where the service is; default: as the settings say")
        parser.add_argument("--key", help="its key; default: the first of BALLAST_SERVER__API_KEYS")
        parser.add_argument("--state", help="list only those in this state")
        parser.add_argument("--kind", help="list only those of this kind")
        parser.add_argument("--json", action="store_true", help="print documents")

    def run(self, options: Namespace) -> int:
        """Print what the service answers; return 0, or 1 where it refused."""
        if (options.action == "list") == bool(options.ids):
            raise CommandRefused("list takes no job, show, cancel and retry take one or more")
        service = _service(options)
        if options.action == "list":
            return _list(service, options)
        outcomes = [_one(service, options, job_id) for job_id in options.ids]
        return max(outcomes)


class _Service:
    def __init__(self, url: str, key: str | None) -> None:
        self._url = url.rstrip("/")
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def ask(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the document of an answer.

        Raises:
            CommandRefused: nobody answers there.
        """
        from urllib.error import HTTPError, URLError
        from urllib.request import Request, urlopen

        request = Request(self._url + path, method=method, headers=self._headers)
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)
        except (URLError, OSError, ValueError) as error:
            raise CommandRefused(f"no service answers at {self._url}: {error}") from error


def _service(options: Namespace) -> _Service:
    from app.configuration import read_settings

    server = read_settings().server
    host = f"[{server.host}]" if ":" in server.host else server.host
    key = options.key or next(iter(server.api_keys), None)
    url: str = options.url or f"http://{host}:{server.port}"
    if not url.startswith(("http://", "https://")):
        raise CommandRefused("--url must begin with http:// or https://")
    return _Service(url, key)


def _list(service: _Service, options: Namespace) -> int:
    from urllib.parse import urlencode

    wanted = {"state": options.state, "kind": options.kind, "limit": 100, "cursor": None}
    while True:
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        status, document = service.ask("GET", f"/v1/jobs?{query}")
        if status != 200:
            return _refused(document)
        for one in document["items"]:
            print(json.dumps(one) if options.json else _line(one))
        wanted["cursor"] = document["nextCursor"]
        if wanted["cursor"] is None:
            return 0


def _one(service: _Service, options: Namespace, job_id: str) -> int:
    from urllib.parse import quote

    path = f"/v1/jobs/{quote(job_id, safe='')}"
    is_change = options.action != "show"
    status, document = service.ask("POST" if is_change else "GET", f"{path}/{options.action}" if is_change else path)
    if status >= 400:
        return _refused(document)
    print(
        json.dumps(document, indent=None if options.json else 2) if not is_change or options.json else _line(document)
    )
    return 0


def _line(document: dict[str, Any]) -> str:
    words = {name: str(document[name]) for name in _COLUMNS} | {"progress": f"{document['progress']:4.0%}"}
    return "  ".join(f"{words[name]:<9}" for name in _COLUMNS)


def _refused(document: dict[str, Any]) -> int:
    print(f"{document.get('code')}: {document.get('detail')}")
    return 1
