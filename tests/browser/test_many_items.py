"""A library of very many items: walked through to its end and left again and again, nothing of it stays in the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer, run_server
from tests.samples import png

Visit = Callable[..., Visitor]

KIB = 1024
ROUNDS = 5
SETTLED = 2
"""Rounds until code is compiled and caches are full."""


@pytest.fixture(params=[200, pytest.param(2000, marks=pytest.mark.stress)])
def many(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[RunningServer, int]]:
    count: int = request.param
    with run_server(tmp_path_factory.mktemp("many"), {"STORAGE__FSYNC": "false"}) as server:
        with server.client() as client:
            for number in range(count):
                answer = client.post(f"/v1/media?inline=never&name=picture-{number:04}.png", content=png(9, 9))
                answer.raise_for_status()
        yield server, count


@pytest.mark.timeout(900)
def test_walking_through_all_items_leaves_nothing_in_the_page(many: tuple[RunningServer, int], visit: Visit) -> None:
    server, count = many
    visitor = visit(server, "photos")
    session = visitor.page.context.new_cdp_session(visitor.page)

    def left() -> tuple[int, int]:
        session.send("HeapProfiler.collectGarbage")
        counters: dict[str, Any] = session.send("Memory.getDOMCounters")
        return int(session.send("Runtime.getHeapUsage")["usedSize"]), int(counters["nodes"])

    heaps, nodes = [], []
    for _ in range(ROUNDS):
        visitor.open("library")
        shown = walk(visitor, count)
        assert shown == count
        visitor.open("photos")  # which holds nothing that grows with time, as the hour that Memory shows does
        visitor.until("window.blobUrls.size === 0")
        visitor.until("document.querySelectorAll('[aria-label=Task] option').length > 3")
        heap, node = left()
        heaps.append(heap)
        nodes.append(node)

    assert heaps[-1] - heaps[SETTLED - 1] < 300 * KIB, (heaps, nodes)
    assert nodes[-1] - nodes[SETTLED - 1] < 500, nodes


def walk(visitor: Visitor, count: int) -> int:
    """Show more until there is no more, and return how many cards there are then."""
    more = "[...document.querySelectorAll('button')].find((one) => one.textContent === 'Show more')"
    shown = "document.querySelectorAll('.picture').length"
    visitor.until(f"{shown} > 0", 60)
    while visitor.evaluate(shown) < count:
        before = visitor.evaluate(shown)
        visitor.until(f"!{more}.hidden", 60)
        visitor.evaluate(f"{more}.click()")
        visitor.until(f"{shown} > {before}", 60)
    return int(visitor.evaluate(shown))
