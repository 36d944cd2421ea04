from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import media_types as types
from app.domain.media import MediaKind, MediaType
from app.imaging.formats.avif import Avif
from app.imaging.formats.gif import Gif
from app.imaging.formats.heic import Heic
from app.imaging.formats.jpeg import Jpeg
from app.imaging.formats.png import Png
from app.imaging.formats.webp import WebP
from app.media.sniff import HEAD_BYTES, sniff
from tests.samples import mp4, png


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    brands = major + b"\0\0\0\0" + b"".join(compatible)
    return (len(brands) + 8).to_bytes(4, "big") + b"ftyp" + brands + b"\0\0\0\x08free"


def ebml(doc_type: bytes) -> bytes:
    return (
        b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82" + bytes([0x80 | len(doc_type)]) + doc_type + b"\x42\x87\x81\x04"
    )


def ogg(packet: bytes) -> bytes:
    return b"OggS\0\x02" + bytes(20) + b"\x01" + bytes([len(packet)]) + packet


MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(413)  # 128 kbit/s, 44.1 kHz: 417 bytes
ADTS_FRAME = b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)  # 16 bytes


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", Jpeg.media_type),
        (png(), Png.media_type),
        (b"GIF89a\x01\x00", Gif.media_type),
        (b"RIFF\x10\0\0\0WEBPVP8 ", WebP.media_type),
        (b"RIFF\x10\0\0\0AVI LIST", types.AVI),
        (b"RIFF\x10\0\0\0WAVEfmt ", types.WAV),
        (ftyp(b"avif", b"mif1", b"miaf"), Avif.media_type),
        (ftyp(b"mif1", b"heic"), Heic.media_type),
        (ftyp(b"heic", b"mif1"), Heic.media_type),
        (mp4(100), types.MP4),
        (ftyp(b"isom", b"iso2", b"avc1", b"mp41"), types.MP4),
        (ftyp(b"qt  ", b"qt  "), types.QUICKTIME),
        (b"\0\0\0\x08wide\0\0\x10\0mdat", types.QUICKTIME),
        (b"\0\0\x02\0moov\0\0\0\x6cmvhd", types.QUICKTIME),
        (ftyp(b"M4A ", b"mp42"), types.M4A),
        (ftyp(b"3gp5", b"isom"), types.THREE_GPP),
        (ebml(b"webm"), types.WEBM),
        (ebml(b"matroska"), types.MATROSKA),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", types.ASF),
        (b"FLV\x01\x05\0\0\0\x09", types.FLV),
        (b"\0\0\x01\xba\x44\0\x04", types.PROGRAM_STREAM),
        ((b"\x47\x40\x11\x10" + bytes(184)) * 4, types.TRANSPORT_STREAM),
        ((bytes(4) + b"\x47\x40\x11\x10" + bytes(184)) * 4, types.TRANSPORT_STREAM),
        (ogg(b"\x80theora\x03"), types.OGG_VIDEO),
        (ogg(b"OpusHead\x01"), types.OGG_AUDIO),
        (ogg(b"\x01vorbis\0"), types.OGG_AUDIO),
        (b"fLaC\0\0\0\x22", types.FLAC),
        (b"ID3\x04\0\0\0\0\x02\x01TIT2", types.MP3),
        (MP3_FRAME * 2, types.MP3),
        (ADTS_FRAME * 3, types.AAC),
    ],
)
def test_accepted_media_is_recognised(head: bytes, expected: MediaType) -> None:
    assert sniff(head) == expected


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"hello, this is text",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"<!doctype html><html>",
        b"%PDF-1.7",
        b"PK\x03\x04\x14\0",
        b"\x1f\x8b\x08\0",
        b"7z\xbc\xaf\x27\x1c",
        b"\x7fELF\x02\x01",
        b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n",
        b"ffconcat version 1.0\nfile /etc/passwd",
        b"\xef\xbb\xbftext with a mark",
        b"\xff\xfet\0e\0x\0t\0",
        b"RIFF\x10\0\0\0ACON",
        ebml(b"else"),
        ftyp(b"jp2 ", b"jp2 "),
        ftyp(b"crx "),
        ogg(b"unknown codec"),
        b"1234moov is only a word here",
        b"\x47" * 100,
        MP3_FRAME + b"no second frame" * 9,
    ],
)
def test_everything_else_is_not(head: bytes) -> None:
    assert sniff(head) is None


@given(st.binary(max_size=HEAD_BYTES))
def test_no_bytes_break_it(head: bytes) -> None:
    found = sniff(head)

    assert found is None or found.kind in MediaKind


@given(
    st.sampled_from([png(), mp4(64), ebml(b"webm"), ogg(b"OpusHead"), ADTS_FRAME * 2, MP3_FRAME]), st.integers(0, 64)
)
def test_no_truncation_breaks_it(head: bytes, length: int) -> None:
    sniff(head[:length])


@given(st.text(min_size=1, max_size=200))
def test_text_is_never_media(text: str) -> None:
    found = sniff(text.encode())

    assert found is None or text.startswith(("GIF87a", "GIF89a", "fLaC", "FLV\x01", "ID3", "RIFF"))
