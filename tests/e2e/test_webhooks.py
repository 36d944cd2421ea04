"""Webhooks of jobs: signed, tried again, and across restarts."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.e2e.jobs import PROGRAM, settings, submit, upload, wait_for
from tests.e2e.server import eventually, run_server
from tests.serving import free_port

pytestmark = pytest.mark.timeout(120)
SECRET = "a-secret-of-webhooks"


@dataclass
class Receiver:
    """Takes webhooks, after it has refused the first of them."""

    refusals: int = 0
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving(receiver: Receiver, port: int) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(500 if len(receiver.seen) <= receiver.refusals else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_a_webhook_is_signed_and_sent_again_until_it_is_taken(tmp_path: Path) -> None:
    port, receiver = free_port(), Receiver(refusals=1)
    url = f"http://127.0.0.1:{port}/hook?token=do-not-tell"
    given = settings(JOBS__WEBHOOK_PRIVATE="true", JOBS__WEBHOOK_SECRET=SECRET)
    with (
        receiving(receiver, port),
        run_server(tmp_path, given, program=PROGRAM, secrets=(SECRET, "do-not-tell")) as server,
        server.client() as client,
    ):
        done = wait_for(client, submit(client, upload(client), webhook=url)["id"], "succeeded")
        eventually(lambda: len(receiver.seen) == 2, 30)
        shown = client.get("/v1/limits").text

    headers, body = receiver.seen[-1]
    moment, digest = (part.split("=", 1)[1] for part in headers["ballast-signature"].split(","))
    expected = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    assert digest == expected
    assert json.loads(body) == done
    assert "do-not-tell" not in json.dumps(done)
    assert SECRET not in shown


def test_a_webhook_that_was_not_taken_is_sent_by_the_next_run(tmp_path: Path) -> None:
    port, receiver = free_port(), Receiver()
    given = settings(JOBS__WEBHOOK_PRIVATE="true")
    with run_server(tmp_path, given, program=PROGRAM) as server, server.client() as client:
        submitted = submit(client, upload(client), webhook=f"http://127.0.0.1:{port}/")
        wait_for(client, submitted["id"], "succeeded")
        eventually(lambda: "was not taken" in server.log_text(), 30)

    with receiving(receiver, port), run_server(tmp_path, given, program=PROGRAM):
        eventually(lambda: receiver.seen, 30)

    headers, body = receiver.seen[0]
    assert json.loads(body)["id"] == submitted["id"]
    assert "ballast-signature" not in headers
