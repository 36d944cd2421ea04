"""The API process only moves bytes: it never imports what handles pixels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.media_files import REPOSITORY

_SERVE_ONE_REQUEST = """
import asyncio, json, sys
from pathlib import Path
import httpx
before = set(sys.modules)
from app.main import create_app
from app.settings import Settings, StorageSettings, MemorySettings, ModelSettings
from tests.samples import png

async def main():
    app = create_app(Settings(
        storage=StorageSettings(root=Path(sys.argv[1])), models=ModelSettings(dir=Path(sys.argv[2])),
        memory=MemorySettings(limit="2G"),
    ))
    async with app.router.lifespan_context(app) as state:
        async def with_state(scope, receive, send):
            await app({**scope, "state": dict(state)}, receive, send)
        transport = httpx.ASGITransport(app=with_state)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            statuses = {
                path: (await client.get(path)).status_code
                for path in (
                    *("/health/live", "/v1/vision", "/metrics/memory", "/openapi.json"),
                    *("/v1/jobs", "/v1/jobs/kinds"),
                )
            }
            picture = png(300, 200)
            statuses["vision"] = (await client.post("/v1/vision/hands", content=picture)).status_code
            headers = {"content-type": "image/png"}
            statuses["media"] = (await client.post("/v1/media", content=picture, headers=headers)).status_code
    json.dump({"statuses": statuses, "modules": sorted(set(sys.modules) - before)}, sys.stdout)

asyncio.run(main())
"""


def test_the_api_process_never_imports_what_handles_pixels(tmp_path: Path, models_folder: Path) -> None:
    """A request is served by each: with a model installed the picture is analysed, without one it is refused."""
    outcome = subprocess.run(
        [sys.executable, "-c", _SERVE_ONE_REQUEST, str(tmp_path / "var"), str(models_folder)],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if not name.startswith("BALLAST_")},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr
    answer = json.loads(outcome.stdout)
    loaded = {name.partition(".")[0] for name in answer["modules"]}
    statuses = answer["statuses"]
    assert statuses.pop("vision") in (200, 503)
    assert set(statuses.values()) == {200, 201}
    assert not loaded & {"numpy", "PIL", "pillow_heif", "mediapipe", "cv2", "matplotlib", "multiprocessing", "psutil"}
    assert not loaded & {"dbos", "sqlalchemy", "psycopg"}
