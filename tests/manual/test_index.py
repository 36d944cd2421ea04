"""The index leads to every page, and what pages say of settings, files and figures is so."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from app.settings.variables import environment_names
from app.storage.discovery import complete_settings
from tests.manual.blocks import Block, blocks_of, pages
from tests.media_files import REPOSITORY

DOCS = REPOSITORY / "docs"
DEFAULTS = {name: default for name, _, default in environment_names(complete_settings())}
MEANT = r"127\.0\.0\.1|localhost|ballast\b|(?:[\w-]+\.)*example\.org|tus\.io"
"""This machine, names that stand for the reader's own, and the one site that is referred to."""
PLACES = re.compile(rf"(?:/usr/local|/home/\w|/root|/mnt/)\S*|\bhttps?://(?!{MEANT})[\w.-]+")
"""Paths of one machine, and hosts."""


def every_block() -> list[Block]:
    return [block for path in pages() for block in blocks_of(path)]


def test_the_index_leads_to_every_page() -> None:
    led_to = set(re.findall(r"\]\(([\w-]+\.md)\)", (DOCS / "README.md").read_text()))

    assert led_to == {path.name for path in DOCS.glob("*.md")} - {"README.md"}


def test_each_of_the_three_ways_is_in_order_and_begins_at_the_quickstart() -> None:
    ways = (DOCS / "README.md").read_text().split("\n**You ")[1:4]

    for way in ways:
        numbers = [int(number) for number in re.findall(r"^(\d+)\. ", way, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert "1. [Quickstart](quickstart.md)" in way


def test_anchors_and_quoted_headings_are_there() -> None:
    """A page that is referred to with a part of it, as in `[x](x.md), "Part"`, has that part."""
    wrong = []
    for path in pages():
        for target, heading in re.findall(r"\]\(([\w./-]+\.md)\), \"([^\"]+)\"", " ".join(path.read_text().split())):
            text = (path.parent / target).read_text()
            if not re.search(rf"^#+ .*{re.escape(heading)}", text, re.MULTILINE):
                wrong.append((path.name, target, heading))

    assert wrong == []


def test_pages_name_no_machine_and_no_host_that_is_not_meant() -> None:
    found = {
        (path.name, match[0])
        for path in [*pages(), *(REPOSITORY / "deploy").iterdir()]
        for match in PLACES.finditer(path.read_text())
    }

    assert found == set()


def test_blocks_of_json_and_yaml_are_that() -> None:
    for block in every_block():
        if block.language == "json":
            assert json.loads(block.text), block
        if block.language == "yaml":
            assert list(yaml.safe_load_all(block.text)), block


def test_every_block_says_what_it_is_but_for_drawings() -> None:
    bare = {block.page for block in every_block() if not block.language}

    assert bare == {"docs/architecture.md", "docs/electron.md"}


def test_the_levels_in_words_and_picture_are_those_of_the_settings() -> None:
    picture, page = (DOCS / "ledger.svg").read_text(), (DOCS / "memory.md").read_text()
    shares = {name: DEFAULTS[f"BALLAST_MEMORY__{name}_SHARE"] for name in ("MODERATE", "HIGH", "CRITICAL", "KILL")}

    for name, share in shares.items():
        assert f"{name} {share:.2f}".replace("KILL", "kill") in picture
        assert f"| {name} | {share:.2f} |".replace("| KILL |", "| |") in page
    budget = DEFAULTS["BALLAST_MEMORY__BUDGET_SHARE"]
    assert f"budget: {budget:.2f} x limit = {int(budget * 1024)}" in picture
    assert f"{budget:.2f} of it (`BALLAST_MEMORY__BUDGET_SHARE`)" in page


def test_the_picture_adds_up() -> None:
    text = (DOCS / "ledger.svg").read_text()
    promised = sum(int(number) for number in re.findall(r">(?:API|hands|picture|upload|FFmpeg) (\d+)<", text))
    (free,) = re.findall(r">free: (\d+) MiB<", text)
    profiles = [row.split("|") for row in (DOCS / "video.md").read_text().splitlines() if row.startswith("| ")]
    at_1080p = {row[1].strip(): int(row[5]) for row in profiles if len(row) == 8 and row[5].strip().isdigit()}

    assert promised + int(free) == int(1024 * DEFAULTS["BALLAST_MEMORY__BUDGET_SHARE"])
    for profile in ("HIGH", "BALANCED"):
        assert f"{profile}: {round(1.2 * at_1080p[profile])}." in text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed")
def test_prometheus_takes_the_configuration(tmp_path: Path) -> None:
    (text,) = [block.text for block in every_block() if "scrape_configs" in block.text]
    (tmp_path / "prometheus.yml").write_text(text)
    shutil.copy(DOCS / "monitoring" / "alerts.yml", tmp_path)

    ran = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=tmp_path, capture_output=True, timeout=60, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
