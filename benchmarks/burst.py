"""What a burst of large pictures leaves behind in memory.

    python -m benchmarks.burst [--pictures 400] [--at-a-time 4] [--short]

12 MP pictures (JPEG, decoded to the analysis size in the worker) go through `hands`; the tree's RSS is taken when the
model is loaded and nothing is at work, at its highest during the burst, and two seconds after the last answer.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.server import Service, run_service

MB = 1_000_000
REST_SECONDS = 2.0
TARGET_MB = 10

_WARM_UP = 40
"""Pictures before the first look, so that every worker is there and has its model."""


def main() -> None:
    arguments = _arguments()
    count = 20 if arguments.short else arguments.pictures
    picture = _picture()
    with run_service() as service:
        _send(service, picture, _WARM_UP, arguments.at_a_time)
        time.sleep(REST_SECONDS)
        idle = service.memory().rss_bytes
        highest = _Highest(service)
        statuses = _send(service, picture, count, arguments.at_a_time)
        peak = highest.stop()
        time.sleep(REST_SECONDS)
        after = service.memory().rss_bytes
    kept = (after - idle) / MB
    print(f"{count} pictures of 12 MP, {len(picture) / MB:.1f} MB each, {arguments.at_a_time} at a time: {statuses}")
    print(f"RSS of the tree: {idle / MB:.1f} MB before, {peak / MB:.1f} at most, {after / MB:.1f} after 2 s")
    print(f"kept: {kept:+.1f} MB (target: at most +{TARGET_MB}) {'met' if kept <= TARGET_MB else 'MISSED'}")


class _Highest:
    """Watches the tree in a thread until it is stopped."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._highest = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._highest

    def _watch(self) -> None:
        while not self._ended.wait(0.02):
            self._highest = max(self._highest, self._service.memory().rss_bytes)


def _send(service: Service, picture: bytes, count: int, at_a_time: int) -> dict[int, int]:
    """Send the picture `count` times and return how often each status came."""

    def send_some(times: int) -> list[int]:
        with service.connect() as client:
            return [client.post("/v1/vision/hands?cache=false", picture).status for _ in range(times)]

    shares = [count // at_a_time + (number < count % at_a_time) for number in range(at_a_time)]
    with ThreadPoolExecutor(at_a_time) as threads:
        statuses = [status for some in threads.map(send_some, shares) for status in some]
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def _picture() -> bytes:
    """Return a baseline JPEG of 4000 x 3000 with some noise; made in a process of its own, which keeps Pillow."""
    code = (
        "import io, sys; from PIL import Image; "
        "small = Image.effect_noise((500, 375), 60).convert('RGB'); file = io.BytesIO(); "
        "small.resize((4000, 3000), Image.Resampling.BICUBIC).save(file, 'JPEG', quality=80); "
        "sys.stdout.buffer.write(file.getvalue())"
    )
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--at-a-time", type=int, default=4)
    parser.add_argument("--short", action="store_true", help="20 pictures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
