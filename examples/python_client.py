"""A photo sent, looked at and changed, and the memory of the service, with nothing but httpx.

python examples/python_client.py photo.jpg http://127.0.0.1:8000
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import httpx


def main(photo: Path, base_url: str) -> None:
    key = os.environ.get("BALLAST_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=base_url, headers=headers, timeout=60) as client:
        with photo.open("rb") as body:  # streamed from the disk
            stored = client.post("/v1/media", params={"name": photo.name, "inline": "never"}, content=body)
        item = checked(stored)
        print(f"stored {item['name']} as {item['id']}: {item['width']}x{item['height']}")

        seen = checked(client.post("/v1/vision/hands", content=photo.read_bytes()))
        print(f"{len(seen['detections'])} hands, mode {seen['mode']}")

        small = client.get(f"/v1/media/{item['id']}/image", params={"width": 320, "format": "webp"})
        Path("small.webp").write_bytes(small.raise_for_status().content)
        print(f"small.webp: {len(small.content)} bytes; {small.headers['ballast-memory']}")

        memory = checked(client.get("/metrics/memory"))
        print(f"memory {memory['level']}: {memory['workingSetBytes']} of {memory['limitBytes']} bytes")


def checked(answer: httpx.Response) -> dict:
    """Return the JSON of an answer; end with what the service says is wrong."""
    if answer.is_error:
        problem = answer.json()
        sys.exit(f"{problem['code']} ({problem['status']}): {problem['detail']}")
    return answer.json()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000")
