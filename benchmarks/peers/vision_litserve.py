"""A peer of `benchmarks/vision.py`: LitServe with one worker a core. Runs in an environment of its own.

python -m benchmarks.peers.vision_litserve PORT BUNDLE WORKERS
"""

import os  # no `annotations` of __future__ here: LitServe looks at the types of the parameters
import sys
from typing import Any

import litserve  # type: ignore[import-not-found,unused-ignore]  # installed by the benchmark, not into our environment
from fastapi import Request

from benchmarks.peers.hands import find_hands, open_landmarker

BUNDLE = "BENCHMARK_BUNDLE"
"""By the environment: LitServe's workers are spawned and get no arguments of ours."""


class HandsApi(litserve.LitAPI):  # type: ignore[misc,unused-ignore]
    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's form
        self.landmarker = open_landmarker(os.environ[BUNDLE])

    def decode_request(self, request: Request) -> bytes:
        data: bytes = request["file"].file.read()
        return data

    def predict(self, picture: bytes) -> dict[str, Any]:
        return find_hands(self.landmarker, picture)

    def encode_response(self, found: dict[str, Any]) -> dict[str, Any]:
        return found


def main() -> None:
    os.environ[BUNDLE] = sys.argv[2]
    server = litserve.LitServer(HandsApi(api_path="/hands"), accelerator="cpu", workers_per_device=int(sys.argv[3]))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)


if __name__ == "__main__":
    main()
