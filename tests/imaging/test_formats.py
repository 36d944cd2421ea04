from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.imaging.header import FORMATS
from app.imaging.isobmff import brands
from app.imaging.picture_format import PictureFormat
from app.media.sniff import HEAD_BYTES, sniff
from tests.imaging.pictures import encode, samples, scene

# A format that nothing else of the house knows of.
BMP = """
import struct

from app.domain.media import MediaKind, MediaType
from app.imaging.picture_format import PictureFormat, PictureHeader


class Bmp(PictureFormat):
    name = "bmp"
    media_type = MediaType("image/bmp", MediaKind.IMAGE, ".bmp")
    plugin = "PIL.BmpImagePlugin:BmpImageFile"
    signature = b"BM"

    def read_header(self, data):
        return PictureHeader(self, *struct.unpack_from("<ii", data, 18))
"""

USE = """
import json, sys
from pathlib import Path
import app.imaging.formats
app.imaging.formats.__path__.append(sys.argv[1])
from app.domain.analysis_size import AnalysisSize
from app.imaging.cost import decode_bytes
from app.imaging.header import read_header
from app.imaging.isobmff import brands
from app.imaging.picture_format import PictureFormat
from app.media.sniff import sniff
small, large = sys.argv[2:]
data = Path(large).read_bytes()
header = read_header(data)
told = {
    "type": sniff(data[:4096]).content_type,
    "size": [header.width, header.height],
    "predicted": decode_bytes(header, (640, 480), len(data)),
    "decoders": sorted({"PIL", "numpy"} & set(sys.modules)),
}
from app.imaging.decode import decode_picture
told["pixel"] = decode_picture(data, AnalysisSize(640, 480), 1 << 28).rgb[400, 500].tolist()
print(json.dumps(told))
"""

MEASURE = """
import sys
import app.imaging.formats
app.imaging.formats.__path__.append(sys.argv[1])
from tests.imaging.peak_child import main
main(*sys.argv[2:], "fitted")
"""


def run(code: str, *arguments: Path) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout


def test_a_format_is_one_file(tmp_path: Path) -> None:
    plugins = tmp_path / "formats"
    plugins.mkdir()
    (plugins / "bmp.py").write_text(BMP)
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(encode(scene(64, 48), "bmp"))
    large.write_bytes(encode(scene(1600, 1200), "bmp"))

    told = json.loads(run(USE, plugins, small, large))

    assert (told["type"], told["size"], told["decoders"]) == ("image/bmp", [1600, 1200], [])
    assert told["pixel"] == pytest.approx([30, 60, 200], abs=2)  # the blue box of the scene
    assert 0 < int(run(MEASURE, plugins, small, large)) <= told["predicted"]


@pytest.mark.parametrize("kind", samples())
def test_a_picture_is_claimed_by_its_own_format_only(kind: str) -> None:
    head = samples()[kind][:HEAD_BYTES]

    claiming = [found for found in FORMATS if _claims(found, head)]

    assert [found.name for found in claiming] == [kind.split()[0].replace("apng", "png")]
    assert sniff(head) == claiming[0].media_type


def _claims(found: PictureFormat, head: bytes) -> bool:
    signed = bool(found.signature) and re.match(found.signature, head, re.DOTALL) is not None
    return signed or not found.brands.isdisjoint(brands(head))
