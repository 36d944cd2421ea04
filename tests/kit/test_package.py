"""The kit as a package: its types are those of the source, and a stranger can use it in Node."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.media_files import REPOSITORY

PACKAGE = REPOSITORY / "packages" / "kit"
SOURCE = REPOSITORY / "static" / "js"


def test_every_export_has_types() -> None:
    exported = re.findall(r"export \{([^}]*)\}", (SOURCE / "ballast.js").read_text())
    typed = re.findall(r"export \{([^}]*)\}", (PACKAGE / "types" / "ballast.d.ts").read_text())

    def names(lists: list[str]) -> set[str]:
        return {name.strip() for one in lists for name in one.split(",")}

    assert names(exported) == names(typed)
    for source in (SOURCE / "kit").glob("*.js"):
        types = (PACKAGE / "types" / "kit" / f"{source.stem}.d.ts").read_text()
        for name in re.findall(
            r"^export (?:async )?(?:function\*?|class|const) (\w+)", source.read_text(), re.MULTILINE
        ):
            assert re.search(rf"\b{name}\b", types), f"{source.name}: {name} has no types; run `npm run types`"


def test_what_is_packed_is_there_and_is_used_from_node(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    module = tmp_path / "node_modules" / "ballast-kit"
    shutil.copytree(PACKAGE, module)
    shutil.copy(SOURCE / "ballast.js", module)
    shutil.copytree(SOURCE / "kit", module / "kit")
    script = """
      import { BallastClient, BallastProblem } from 'ballast-kit';
      const client = new BallastClient({ baseUrl: 'http://127.0.0.1:9' });
      console.log(client.images.url('abc', { width: 4 }), new BallastProblem(503, { code: 'overloaded' }).isTemporary);
    """
    (tmp_path / "use.mjs").write_text(script)

    run = subprocess.run([node, "use.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30)

    assert run.stdout.split() == ["http://127.0.0.1:9/v1/media/abc/image?width=4", "true"]
    packed = json.loads((PACKAGE / "package.json").read_text())["files"]
    assert {"ballast.js", "kit", "types", "README.md"} == set(packed)
