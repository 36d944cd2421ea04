"""The page as a visitor with a narrow line and a slow machine has it: bytes, requests, first paint, interactive.

    python -m benchmarks.page [--rounds 5] [--kilobits 400] [--slowdown 4] [--json FILE] [--short]

Each round opens each view in a browser session of its own, with nothing cached, in Chromium, whose own protocol slows
line and processor down. What a view asks again and again (Memory's report) is counted once. A view is interactive when
it is there, and no task has kept the page busy for 50 ms since: the end of the last such task, as Lighthouse's "time to
interactive", with a quiet second instead of five.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from benchmarks.server import run_service
from benchmarks.table import print_heading, print_table, span

VIEWS = ("camera", "photos", "images", "library", "jobs", "memory")
MOST_BYTES, MOST_REQUESTS = 150_000, 12
LATENCY_MS = 100
QUIET_MS = 1000
OPEN_MS = 120_000

_OBSERVE = """
window.lastBusyMs = 0;
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) {
    window.lastBusyMs = Math.max(window.lastBusyMs, startTime + duration);
  }
}).observe({ type: 'longtask', buffered: true });
new MutationObserver((_, observer) => {
  if (!document.querySelector('.view')) return;
  window.viewMs = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""
_TIMES = """() => {
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  return [paint.startTime, Math.max(paint.startTime, window.viewMs, window.lastBusyMs), performance.now()];
}"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one load of one view took."""

    view: str
    received_bytes: int
    requests: int
    paint_seconds: float
    interactive_seconds: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the visitor has: a line of so many kilobits a second, and a processor slower by a factor."""

    kilobits: int
    slowdown: float

    def apply(self, session: CDPSession) -> None:
        rate = self.kilobits * 1000 / 8
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        line = {"offline": False, "latency": LATENCY_MS, "downloadThroughput": rate, "uploadThroughput": rate}
        session.send("Network.emulateNetworkConditions", line)
        session.send("Emulation.setCPUThrottlingRate", {"rate": self.slowdown})


class Traffic:
    """What came over the line, heads of answers too, for the first request of each address: `first`, by its id.

    What a view asks for again as long as it is open is no part of its first load.
    """

    def __init__(self, session: CDPSession) -> None:
        self.first: dict[str, str] = {}
        self.received_bytes = 0
        session.on("Network.requestWillBeSent", self._asked)
        session.on(
            "Network.responseReceivedExtraInfo", lambda event: self._came(event, len(event.get("headersText", "")))
        )
        session.on("Network.dataReceived", lambda event: self._came(event, int(event["encodedDataLength"])))

    def _asked(self, event: dict[str, Any]) -> None:
        url = event["request"]["url"]
        if url.startswith("http") and url not in self.first.values():
            self.first[event["requestId"]] = url

    def _came(self, event: dict[str, Any], size_bytes: int) -> None:
        if event["requestId"] in self.first:
            self.received_bytes += size_bytes


def main() -> int:
    arguments = _arguments()
    conditions = Conditions(arguments.kilobits, arguments.slowdown)
    title = f"First load of each view at {conditions.kilobits} kbit/s, processor {conditions.slowdown:g}x slower"
    print_heading("benchmarks.page", f"{title}, {arguments.rounds} rounds")
    with run_service() as service, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.browser, args=["--no-sandbox", "--disable-quic"])
        url = f"http://127.0.0.1:{service.port}"
        loads = [measure(browser, url, view, conditions) for _ in range(arguments.rounds) for view in VIEWS]
        browser.close()
    rows = [_row([load for load in loads if load.view == view]) for view in VIEWS]
    print_table(
        [
            "view",
            f"bytes (<= {MOST_BYTES:,})",
            f"requests (<= {MOST_REQUESTS})",
            "first paint, s",
            "interactive, s",
            "verdict",
        ],
        rows,
    )
    if arguments.json is not None:
        document = {"conditions": asdict(conditions), "loads": [asdict(load) for load in loads]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    return int(any("MISSED" in row[-1] for row in rows))


def measure(browser: Browser, url: str, view: str, conditions: Conditions) -> Load:
    """Open a view with nothing cached, and wait until it is quiet."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    session = context.new_cdp_session(page)
    traffic = Traffic(session)
    conditions.apply(session)
    page.add_init_script(_OBSERVE)
    page.goto(f"{url}/#{view}", wait_until="commit", timeout=OPEN_MS)
    page.locator(f".view[data-view='{view}']").wait_for(timeout=OPEN_MS)
    paint_ms, interactive_ms = _settled(page)
    context.close()
    return Load(view, traffic.received_bytes, len(traffic.first), paint_ms / 1000, interactive_ms / 1000)


def _settled(page: Page) -> tuple[float, float]:
    """Return first paint and interactive, when nothing has happened for a while."""
    page.wait_for_load_state("load", timeout=OPEN_MS)
    while True:
        paint, interactive, now = page.evaluate(_TIMES)
        if now - interactive > QUIET_MS or now > OPEN_MS:
            return paint, interactive
        page.wait_for_timeout(QUIET_MS / 4)


def _row(loads: list[Load]) -> list[str]:
    received = int(statistics.median(load.received_bytes for load in loads))
    requests = int(statistics.median(load.requests for load in loads))
    met = received <= MOST_BYTES and requests <= MOST_REQUESTS
    return [
        loads[0].view,
        f"{received:,}",
        str(requests),
        span([load.paint_seconds for load in loads], 2),
        span([load.interactive_seconds for load in loads], 2),
        "met" if met else "MISSED",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kilobits", type=int, default=400)
    parser.add_argument("--slowdown", type=float, default=4)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every load there too")
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("chromium-browser"))
    parser.add_argument("--short", action="store_true", help="one round, a quicker line: only show that it runs")
    arguments = parser.parse_args()
    if arguments.browser is None:
        parser.error("there is no Chromium; name one with --browser")
    if arguments.short:
        arguments.rounds, arguments.kilobits, arguments.slowdown = 1, 4000, 1
    return arguments


if __name__ == "__main__":
    raise SystemExit(main())
