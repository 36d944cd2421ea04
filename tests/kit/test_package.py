"""The kit as a package: its types are those of the source, and a stranger can use it in Node."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from app import errors
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


_USE = """
import { BallastClient, BallastProblem, StreamClosed, type FrameStream } from 'ballast-kit';

const client = new BallastClient({ baseUrl: 'http://127.0.0.1:9' });

export async function use(file: Blob, stream: FrameStream): Promise<string> {
  const item = await client.upload(file).done;
  const turned: number | null = item.rotation;
  const [kind] = await client.jobs.kinds({ input: item.id });
  const needed: number | null = kind.prediction?.predictedBytes ?? null;
  const many: number = kind.maxInputs;
  const job = await client.jobs.submit({ kind: 'clip', input: item.id });
  const where: [string, number, string | null] = [job.eventsUrl, job.inputCount, job.webhook];
  const advice = await client.advice({ media: item.id, kind: 'clip' });
  for await (const { index, analysis, problem } of client.batch('hands', [item.id])) {
    if (problem?.code === 'invalid_media') return problem.message;
    // @ts-expect-error - there is no such code
    if (problem?.code === 'no_such_code') return '';
    console.log(index, analysis?.detections.length);
  }
  stream.on('problem', (problem: BallastProblem) => console.log(problem.retryAfterSeconds));
  return `${turned} ${needed} ${many} ${where} ${advice.job?.runsNow} ${item.hls} ${StreamClosed.name}`;
}
"""


def packed_in(folder: Path) -> None:
    """Pack it as its README says, and unpack what came of it where a user's program finds it."""
    copy = folder / "ballast"
    shutil.copytree(PACKAGE, copy / "packages" / "kit", ignore=shutil.ignore_patterns("kit/*.js", "node_modules"))
    shutil.copytree(SOURCE, copy / "static" / "js")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "npm_config_offline": "true"}
    command = ["npm", "pack", "./packages/kit", "--pack-destination", str(folder)]
    subprocess.run(command, cwd=copy, check=True, capture_output=True, timeout=60, env=environment)
    (archive,) = folder.glob("ballast-kit-*.tgz")
    module = folder / "node_modules" / "ballast-kit"
    module.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "unpacked", filter="data")
    shutil.copytree(folder / "unpacked" / "package", module, dirs_exist_ok=True)


def test_the_codes_of_the_types_are_those_of_the_service() -> None:
    text = (SOURCE / "kit" / "problem.js").read_text()
    union = text[text.index("@typedef {'bad_request'") : text.index("ServiceCode\n")]

    served = {one.code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "code")}

    assert set(re.findall(r"'(\w+)'", union)) == served


def test_the_package_that_npm_makes_is_used_from_typescript(tmp_path: Path) -> None:
    found = REPOSITORY / ".cache" / "clients-node" / "node_modules" / ".bin" / "tsc"
    tsc = str(found) if found.exists() else shutil.which("tsc")
    if tsc is None or shutil.which("npm") is None:
        pytest.skip("there is no TypeScript or no npm (tests/clients fetches TypeScript)")
    packed_in(tmp_path)
    (tmp_path / "use.ts").write_text(_USE)
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom,dom.iterable"]

    run = subprocess.run(
        [tsc, *options, "use.ts"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )

    assert run.returncode == 0, run.stdout[-3000:]


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
