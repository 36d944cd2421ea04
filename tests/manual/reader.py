"""A reader who types a page's commands into one shell, in order, in a folder like that of the installation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.server import RunningServer
from tests.manual.blocks import Block
from tests.manual.shown import differences
from tests.media_files import REPOSITORY, photo

ADDRESS = "127.0.0.1:8000"
CURL_FAILED = 22
"""What curl ends with where the answer is an error (`--fail-with-body`)."""

_PAGE_SECONDS = 150
_LINKS = (".venv", "app", "deploy", "docs", "examples", "models", "scripts", "static")
_MARK = "\x1e"


@dataclass(slots=True)
class Reader:
    """Runs the commands of pages at one service; `clip` is a video of two seconds."""

    server: RunningServer
    clip: Path

    def run(self, blocks: list[Block], folder: Path) -> list[str]:
        """Run all commands of a page in `folder`, and return what is wrong, each with its line.

        An answer in JSON or text that follows a block is what that block's last command prints.
        """
        self._furnish(folder)
        self._save_files(blocks, folder)
        script = "set -euo pipefail\n"
        commands = [block for block in blocks if block.is_commands and block.reason is None]
        shown = {id(block): _answer_after(blocks, block) for block in commands}
        for block in commands:
            script += self._typed(blocks, block, shown[id(block)])
        ran = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=self._environment(folder), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_PAGE_SECONDS, check=False,
        )  # fmt: skip
        outputs = ran.stdout.split(_MARK)[1:]
        if ran.returncode != 0:
            block = commands[len(outputs) - 1]
            return [f"{block.page}:{block.line} ended with {ran.returncode}: {outputs[-1][-800:]}{ran.stderr[-800:]}"]
        wrong = [_wrong(shown[id(block)], output) for block, output in zip(commands, outputs, strict=True)]
        return [one for found in wrong for one in found]

    def _typed(self, blocks: list[Block], block: Block, answer: Block | None) -> str:
        """Return a block as bash reads it, behind the files that the page had saved before."""
        files = [one for one in blocks if one.name and one.line < block.line and one.language not in ("json", "text")]
        text = block.text.replace(ADDRESS, f"127.0.0.1:{self.server.port}")
        saved = "".join(f"cp .files/{one.line} {one.name}\n" for one in files)
        if answer is not None and _is_refusal(answer):
            text = f"set +e\n{{ {text}}}\ncode=$?; set -e; [ $code -eq {CURL_FAILED} ]\n"
        return f"printf '{_MARK}'\n{saved}{text}\n"

    def _save_files(self, blocks: list[Block], folder: Path) -> None:
        """Keep the files that the page names, as they are written in it but for the service's address."""
        (folder / ".files").mkdir()
        for block in blocks:
            if block.name:
                text = block.text.replace(ADDRESS, f"127.0.0.1:{self.server.port}")
                (folder / ".files" / str(block.line)).write_text(text)

    def _furnish(self, folder: Path) -> None:
        for name in _LINKS:
            (folder / name).symlink_to(REPOSITORY / name)
        shutil.copytree(REPOSITORY / "packages", folder / "packages")  # packing writes there
        shutil.copy(photo("thumb_up.jpg").path, folder / "photo.jpg")
        shutil.copy(photo("thumb_up.jpg").path, folder / "thumb_up.jpg")
        shutil.copy(self.clip, folder / "clip.mp4")
        programs = folder / ".programs"
        programs.mkdir()
        curl = shutil.which("curl")
        assert curl is not None, "the manual's commands need curl"
        (programs / "curl").write_text(f'#!/bin/sh\nexec {curl} -sS --fail-with-body "$@"\n')
        (programs / "curl").chmod(0o755)

    def _environment(self, folder: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BALLAST_")}
        programs = os.pathsep.join((str(folder / ".programs"), str(Path(sys.executable).parent), os.environ["PATH"]))
        return inherited | {
            "PATH": programs,
            "BALLAST_SERVER__PORT": str(self.server.port),
            "BALLAST_STORAGE__ROOT": str(self.server.root),
            "BALLAST_MODELS__DIR": str(REPOSITORY / os.environ.get("BALLAST_MODELS__DIR", "models")),
        }


def _answer_after(blocks: list[Block], block: Block) -> Block | None:
    """Return what is shown as the answer: the next block, if it is one."""
    after = blocks[blocks.index(block) + 1 :]
    return after[0] if after and after[0].language in ("json", "text") and not after[0].name else None


def _is_refusal(answer: Block) -> bool:
    status = json.loads(answer.text).get("status") if answer.language == "json" else None
    return isinstance(status, int) and status >= 400


def _wrong(answer: Block | None, output: str) -> list[str]:
    if answer is None:
        return []
    where = f"{answer.page}:{answer.line}"
    if answer.language == "json":
        text = output.strip().splitlines()[-1] if output.strip() else "null"
        return [f"{where}: {one}" for one in differences(json.loads(answer.text), json.loads(text))]
    missing = [line for line in answer.text.splitlines() if line.strip() and not _is_in(line, output)]
    return [f"{where}: {line!r} is not in {output[-1500:]!r}" for line in missing]


def _is_in(line: str, output: str) -> bool:
    """Tell whether the pieces of a line, between its "...", stand in this order in one line of the output."""
    return any(_in_order(line.strip().split("..."), said) for said in output.splitlines())


def _in_order(pieces: list[str], said: str) -> bool:
    place = 0
    for piece in pieces:
        place = said.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return True
