"""A peer of `benchmarks/vision.py`: the route that most would write first, with the work inside it.

python -m benchmarks.peers.vision_naive PORT BUNDLE
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, Request

from benchmarks.peers.hands import find_hands, open_landmarker

app = FastAPI()
landmarker = open_landmarker(sys.argv[2])


@app.post("/hands")
async def hands(request: Request) -> dict[str, Any]:
    return find_hands(landmarker, await request.body())


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
