"""Item URLs where keys are set: what an answer hands out works without a key, for that item and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import RunningServer, problem_of, run_server
from tests.samples import png

KEY = "a-key-for-tests"
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with run_server(tmp_path_factory.mktemp("service"), {"SERVER__API_KEYS": KEY}, secrets=(KEY,)) as server:
        yield server


def store(server: RunningServer) -> dict[str, str]:
    answer = httpx.post(f"{server.url}/v1/media?inline=never", content=png(), headers=HEADERS)
    assert answer.status_code == 201
    document: dict[str, str] = answer.json()
    return document


def test_the_url_of_an_answer_needs_no_key(server: RunningServer) -> None:
    item = store(server)

    whole = httpx.get(server.url + item["url"])
    part = httpx.get(server.url + item["url"], headers={"Range": "bytes=0-3"})

    assert (whole.status_code, whole.content) == (200, png())
    assert (part.status_code, part.content) == (206, png()[:4])
    assert httpx.head(server.url + item["url"]).status_code == 200


def test_without_a_signature_or_with_a_bad_one_there_is_nothing(server: RunningServer) -> None:
    item, other = store(server), store(server)
    path, _, query = item["url"].partition("?")

    problem_of(httpx.get(server.url + path), 401, "unauthorized")
    problem_of(httpx.get(f"{server.url}{path}?{query}x"), 403, "forbidden")
    problem_of(httpx.get(f"{server.url}{path}?expires=1&sig=x"), 403, "forbidden")
    problem_of(httpx.get(f"{server.url}{other['url'].partition('?')[0]}?{query}"), 403, "forbidden")
    problem_of(httpx.get(f"{server.url}/v1/media/{item['id']}?{query}"), 403, "forbidden")
    problem_of(httpx.delete(f"{server.url}/v1/media/{item['id']}?{query}"), 401, "unauthorized")
    problem_of(httpx.post(f"{server.url}{path}?{query}"), 401, "unauthorized")
    for more in ("redirect=true", "inline=auto", "sig=x", "expires=1", "="):
        problem_of(httpx.get(f"{server.url}{path}?{query}&{more}"), 403, "forbidden")


def test_the_list_hands_out_signed_urls_too(server: RunningServer) -> None:
    item = store(server)

    listed = httpx.get(f"{server.url}/v1/media", headers=HEADERS).json()["items"]

    url = next(one["url"] for one in listed if one["id"] == item["id"])
    assert httpx.get(server.url + url).status_code == 200


def test_urls_outlive_a_restart_and_a_secret_of_ones_own_replaces_ours(tmp_path: Path) -> None:
    settings = {"SERVER__API_KEYS": KEY}
    with run_server(tmp_path, settings, secrets=(KEY,)) as first:
        url = store(first)["url"]
    with run_server(tmp_path, settings, secrets=(KEY,)) as second:
        again = httpx.get(second.url + url).status_code
    own = {**settings, "SERVER__URL_SECRETS": "one-secret, another-secret"}
    with run_server(tmp_path, own, secrets=(KEY, "one-secret")) as third:
        refused = httpx.get(third.url + url).status_code
        limits = httpx.get(f"{third.url}/v1/limits", headers=HEADERS).text

    assert (again, refused) == (200, 403)
    assert "one-secret" not in limits
