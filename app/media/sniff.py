"""The type of media by its first bytes: what a client calls it is never believed.

Pictures are recognised by their formats (`imaging/formats/`), the rest by the specifications named here. Text, SVG,
archives, PDF, playlists (m3u8, DASH, ffconcat) and everything else is not recognised, and so not accepted.
"""

from __future__ import annotations

from app.domain import media_types as types
from app.domain.media import MediaType
from app.imaging.header import FORMATS, sniff_picture
from app.imaging.isobmff import brands

HEAD_BYTES = 4096
"""As many of the first bytes as the longest test needs (one frame of MPEG audio is at most 2881 bytes)."""

_PREFIXES: tuple[tuple[bytes, MediaType], ...] = (
    (b"fLaC", types.FLAC),
    (b"FLV\x01", types.FLV),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c", types.ASF),
    (b"\x00\x00\x01\xba", types.PROGRAM_STREAM),
)

# Major and compatible brands of ISO base media files (ISO/IEC 14496-12, 23008-12, 3GPP TS 26.244; mp4ra.org).
_BRANDS: dict[bytes, MediaType] = {
    **{brand: picture.media_type for picture in FORMATS for brand in picture.brands},
    **dict.fromkeys((b"M4A ", b"M4B "), types.M4A),
    b"qt  ": types.QUICKTIME,
    **dict.fromkeys((b"3gp4", b"3gp5", b"3gp6", b"3gp7", b"3ge6", b"3g2a", b"3g2b"), types.THREE_GPP),
    **dict.fromkeys(
        (b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash"), types.MP4
    ),
    **dict.fromkeys((b"iso7", b"iso8", b"iso9", b"cmfc", b"cmf2", b"mmp4", b"hvc1", b"av01"), types.MP4),
    **dict.fromkeys((b"M4V ", b"M4VH", b"M4VP", b"MSNV", b"f4v ", b"XAVC"), types.MP4),
}


def sniff(head: bytes) -> MediaType | None:
    """Return the type of the media that begins with `head`, or None if it is none that is accepted.

    `head` is the first `HEAD_BYTES` bytes, or all there are.
    """
    for test in (_iso_base_media, _picture, _prefixed, _riff, _ebml, _ogg, _transport_stream, _mpeg_audio):
        if (found := test(head)) is not None:
            return found
    return None


def _picture(head: bytes) -> MediaType | None:
    found = sniff_picture(head)
    return found.media_type if found is not None else None


def _prefixed(head: bytes) -> MediaType | None:
    return next((media_type for prefix, media_type in _PREFIXES if head.startswith(prefix)), None)


def _riff(head: bytes) -> MediaType | None:
    """RIFF (Multimedia Programming Interface 1.0), the form type in bytes 8 to 12."""
    if not head.startswith(b"RIFF"):
        return None
    return {b"AVI ": types.AVI, b"WAVE": types.WAV}.get(head[8:12])


def _iso_base_media(head: bytes) -> MediaType | None:
    """ISO/IEC 14496-12 `ftyp`: the major brand decides, else the first compatible one that is known.

    Old QuickTime files have no `ftyp`: they begin with the movie, or with an empty `wide` atom before the samples.
    """
    for brand in brands(head):
        if brand in _BRANDS:
            return _BRANDS[brand]
    old = (head[4:8] == b"moov" and head[12:16] in (b"mvhd", b"cmov")) or head[:8] == b"\0\0\0\x08wide"
    return types.QUICKTIME if old else None


def _ebml(head: bytes) -> MediaType | None:
    """EBML (RFC 8794) with the DocType element (0x4282), in the header's first bytes (RFC 9559: webm or matroska)."""
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    at = head.find(b"\x42\x82", 4, 128)
    if at < 0:
        return None
    doc_type = head[at + 3 : at + 3 + (head[at + 2] & 0x7F)] if at + 2 < len(head) else b""
    return {b"webm": types.WEBM, b"matroska": types.MATROSKA}.get(doc_type.rstrip(b"\0"))


def _ogg(head: bytes) -> MediaType | None:
    """Ogg (RFC 3533): the codec's own mark begins the first packet of the first page."""
    if not head.startswith(b"OggS\x00") or len(head) < 28:
        return None
    packet = head[27 + head[26] :]
    if packet.startswith((b"\x80theora", b"fishead\0", b"\x01video")):
        return types.OGG_VIDEO
    return types.OGG_AUDIO if packet.startswith((b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")) else None


def _transport_stream(head: bytes) -> MediaType | None:
    """ISO/IEC 13818-1: a sync byte 0x47 at the start of each packet of 188 bytes (192 with a time code before it)."""
    for first, step in ((0, 188), (4, 192)):
        if len(head) > first + 3 * step and all(head[first + step * number] == 0x47 for number in range(4)):
            return types.TRANSPORT_STREAM
    return None


def _mpeg_audio(head: bytes) -> MediaType | None:
    """ID3v2 (id3.org), or the frame sync of ADTS (ISO/IEC 14496-3) and of MPEG audio (ISO/IEC 11172-3)."""
    if head.startswith(b"ID3") and len(head) >= 10 and head[3] < 0xFF and max(head[6:10]) < 0x80:
        return types.MP3
    if len(head) < 8 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return types.AAC if _next_adts_frame(head) else None
    return types.MP3 if _next_layer3_frame(head) else None


def _next_adts_frame(head: bytes) -> bool:
    """Whether the second frame begins where the length of the first says, so that two bytes alone decide nothing."""
    length = (head[3] & 0x03) << 11 | head[4] << 3 | head[5] >> 5
    return length >= 7 and (head[length : length + 1] == b"\xff" if length < len(head) else head[2] & 0x3C < 0x34)


_BIT_RATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, layer III, kbit/s
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
}
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _next_layer3_frame(head: bytes) -> bool:
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bit_rate, sample_rate = head[2] >> 4, head[2] >> 2 & 3
    if head[1] & 0xE0 != 0xE0 or version == 1 or layer != 1 or bit_rate in (0, 15) or sample_rate == 3:
        return False
    kilobits = _BIT_RATES[3 if version == 3 else 2][bit_rate]
    coefficient = 144_000 if version == 3 else 72_000
    length = coefficient * kilobits // _SAMPLE_RATES[version][sample_rate] + (head[2] >> 1 & 1)
    return length >= len(head) or head[length : length + 1] == b"\xff"
