"""What the zygote of vision imports: with one thread, without what children have no use for, and all that they need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.vision.model_key import ModelKey
from app.vision.task import VisionTask, vision_tasks
from app.workers.launch import CHILD_ENVIRONMENT
from tests.media_files import REPOSITORY, photo

_IMPORT = """
import json, os, sys
import app.vision.preload
json.dump({"threads": len(os.listdir("/proc/self/task")), "modules": sorted(sys.modules)}, sys.stdout)
"""

_ANSWER = """
import json, os, sys
from pathlib import Path
import app.vision.preload, app.workers.forker
from app.vision.engine import build
before = set(sys.modules)
engine = build(json.loads(sys.argv[1]))
for path in sys.argv[2:]:
    call = {"task": json.loads(sys.argv[1])["task"], "box": [640, 480], "maxPixels": 10**7, "decodeBytes": 2**26}
    engine.handle(call, Path(path).read_bytes())
json.dump(sorted(set(sys.modules) - before), sys.stdout)
sys.stdout.flush()
os._exit(0)
"""


def _run(program: str, *arguments: str) -> Any:
    """Run it in a fresh process with the environment of the zygote; return what it prints."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **CHILD_ENVIRONMENT}
    outcome = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments], env=environment, capture_output=True, timeout=50, check=False
    )
    assert outcome.returncode == 0, outcome.stderr.decode()
    return json.loads(outcome.stdout)


@pytest.fixture(scope="module")
def imported() -> dict[str, Any]:
    found: dict[str, Any] = _run(_IMPORT)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="counts its threads in /proc")
def test_it_leaves_one_thread(imported: dict[str, Any]) -> None:
    assert imported["threads"] == 1


def test_it_imports_what_children_share(imported: dict[str, Any]) -> None:
    natives = {f"mediapipe.tasks.python.vision.{task.native}" for task in vision_tasks().values()}

    assert natives | {"numpy", "PIL.Image", "app.vision.engine"} <= set(imported["modules"])


def test_it_imports_nothing_that_children_have_no_use_for(imported: dict[str, Any]) -> None:
    needless = {
        "asyncio", "cv2", "fastapi", "httpx", "matplotlib", "multiprocessing", "psutil", "pydantic", "ssl", "starlette",
        "uvicorn",
    }  # fmt: skip

    assert not needless & set(imported["modules"])


@pytest.mark.model
@pytest.mark.photo
@pytest.mark.parametrize("task", vision_tasks().values(), ids=vision_tasks().keys())
def test_a_child_that_answers_photos_needs_no_module_of_its_own(task: type[VisionTask], models_folder: Path) -> None:
    params = task.resolve(task.Params(), True, lambda _: True)
    options = ModelKey(task, models_folder / task.bundle(params), params).as_options()
    photos = [str(photo(name).path) for name in ("thumb_up.jpg", "business_person.png")]

    added = _run(_ANSWER, json.dumps(options), *photos)

    assert [name for name in added if name.startswith(("app.", "mediapipe.", "PIL."))] == []
