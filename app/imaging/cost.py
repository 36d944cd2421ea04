"""What decoding a picture will cost, predicted from its header alone.

The bytes per pixel (here and in `formats/`) are counted from what the decoders hold at once, and were checked against
the rise of VmHWM in fresh children (Pillow 13.0, libjpeg-turbo 3.2, libwebp 1.6, libavif 1.4.2, libheif 1.23.6, glibc
2.36). Measured and predicted MB at 12 MP, fitted into 640x480 | at full size:

    JPEG 4:2:0 baseline     6, 8     |  48, 49        WebP lossy        18, 23   |  96, 100
    JPEG 4:2:0 progressive  39, 40   |  84, 85        WebP alpha        60, 126  | 144, 160
    JPEG 4:4:4 progressive  75, 76   | 120, 121       AVIF 4:2:0       107, 131  | 107, 125
    JPEG CMYK progressive   99, 100  | 144, 145       AVIF 4:4:4       126, 169  | 126, 163
    PNG RGB                 54, 55   |  48, 49        AVIF alpha       136, 173  | 184, 259
    PNG RGBA                57, 59   | 144, 145       HEIC 4:2:0        94, 113  |  94, 113
    PNG palette             19, 21   |  63, 109       HEIC grid         87, 113  |  87, 113
    PNG 16-bit grey         27, 33   |  84, 121       GIF               19, 23   |  63, 109
    JPEG in several scans   75, 76   | 120, 121       AVIF film grain  126, 129  |
                                                      AVIF 10-bit, grain 163, 167

The prediction holds for files that tell the truth. An AVIF or HEIC whose AV1 or HEVC stream is larger than its `ispe`
says is decoded whole by libavif and libheif before they notice: the child's data limit is what stops it.
"""

from __future__ import annotations

from app.errors import TooManyPixels
from app.imaging.picture_format import PictureHeader

# The last step of a reduction is at least this large; `Image.resize` has the rest of it (see `decode_picture`).
REDUCING_GAP = 1.5

# Largest picture that is opened at all, whatever the scale: libavif's own default (AVIF_DEFAULT_IMAGE_SIZE_LIMIT).
# A longer Huffman stream than this only runs into the deadline.
MAX_STORED_PIXELS = 1 << 28

# Buffers of the codecs, Python objects, and the slack of the allocator (what a worker keeps of its heap: 0006).
_BASE_BYTES = 3 << 20

_GAP = 2.0

# Of the answer: the RGB image and its turned copy at 4 bytes a pixel, `tobytes` in pieces and joined at 3.
_ANSWER_BYTES = 14

# Of an RGB picture in Pillow's memory.
_IMAGE_BYTES = 4

# `decode._reduce_in_bands` converts 2**18 pixels at a time: cropped, converted, premultiplied, reduced.
BAND_PIXELS = 1 << 18
_BAND_BYTES = 16


def draft_scale(header: PictureHeader, target: tuple[int, int] | None) -> int:
    """Return the divisor (1, 2, 4 or 8) at which a picture is decoded to cover an upright target.

    The rule is that of `PIL.JpegImagePlugin.JpegImageFile.draft`; a decoder that averages leaves half of the way.
    """
    scales = header.format.scales_of(header)
    if target is None or not scales:
        return 1
    width, height = _stored_target(header, target)
    ratio = min(header.width // width, header.height // height) / (_GAP if header.format.averages else 1)
    return next((scale for scale in scales if ratio >= scale), 1)


def counted_pixels(header: PictureHeader, target: tuple[int, int] | None, decoded_frames: int = 1) -> int:
    """Return decoded pixels x frames, as IMAGE__MAX_PIXELS counts them.

    A baseline JPEG counts at the scale at which it is decoded for an upright `target`; a progressive one counts whole,
    because its coefficients are kept whole. `decoded_frames` is how many frames of an animation will be decoded.
    """
    is_scaled = header.format.counts_scaled and not header.progressive
    scale = draft_scale(header, target) if is_scaled else 1
    width, height = _scaled(header, scale)
    return width * height * decoded_frames


def check_pixels(
    header: PictureHeader, target: tuple[int, int] | None, max_pixels: int, decoded_frames: int = 1
) -> None:
    """Refuse a picture whose header says that it is too large, before anything of it is decoded.

    Raises:
        TooManyPixels: more counted pixels than `max_pixels`, or more stored ones than `MAX_STORED_PIXELS`.
    """
    counted = counted_pixels(header, target, decoded_frames)
    if counted > max_pixels or header.pixels > MAX_STORED_PIXELS:
        pixels, limit = (counted, max_pixels) if counted > max_pixels else (header.pixels, MAX_STORED_PIXELS)
        raise TooManyPixels(
            f"The picture of {header.width}x{header.height} has {pixels} pixels to decode; {limit} are accepted.",
            pixels=pixels,
            limitPixels=limit,
        )


def decode_bytes(header: PictureHeader, target: tuple[int, int] | None, encoded_bytes: int = 0) -> int:
    """Predict the peak memory, in bytes, of decoding the first frame into an RGB picture of an upright target size.

    With a target this is `decode_picture`, whose answer is included; with None it is the picture at its own size.
    `encoded_bytes` is the length of the file: some decoders copy it. The file itself, where the caller holds it,
    comes on top.
    """
    answering = _ANSWER_BYTES * target[0] * target[1] if target else 0
    return _peak_bytes(header, target, encoded_bytes, answering)


def image_bytes(header: PictureHeader, target: tuple[int, int], encoded_bytes: int) -> int:
    """Predict the same for `decode.decode_image`, whose answer stays in Pillow's memory."""
    turned = header.orientation > 1 and not header.format.decodes_upright
    return _peak_bytes(header, target, encoded_bytes, (2 if turned else 1) * _IMAGE_BYTES * target[0] * target[1])


def _peak_bytes(header: PictureHeader, target: tuple[int, int] | None, encoded_bytes: int, answering_bytes: int) -> int:
    size = _scaled(header, draft_scale(header, target))
    wanted = _stored_target(header, target) if target else size
    decoding, held = header.format.decoder_bytes(header, size[0] * size[1])
    reducing = held + _reduce_bytes(header, size, wanted)
    buffers = header.format.buffer_bytes(header, encoded_bytes)
    return _BASE_BYTES + buffers + max(decoding, reducing, answering_bytes)


def reduction(size: tuple[int, int], target: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return by which whole factors a picture is averaged ahead of the last step to `target`, and its size then."""
    factors = (int(size[0] / target[0] / REDUCING_GAP) or 1, int(size[1] / target[1] / REDUCING_GAP) or 1)
    return factors, (-(-size[0] // factors[0]), -(-size[1] // factors[1]))


def _stored_target(header: PictureHeader, target: tuple[int, int]) -> tuple[int, int]:
    return target[::-1] if header.orientation >= 5 else target


def _scaled(header: PictureHeader, scale: int) -> tuple[int, int]:
    return -(-header.width // scale), -(-header.height // scale)


def _reduce_bytes(header: PictureHeader, size: tuple[int, int], target: tuple[int, int]) -> int:
    """Bytes that `decode.to_rgb` takes on top of the decoded picture; it follows its steps."""
    wanted = 4 * target[0] * target[1]
    factors, reduced_size = reduction(size, target)
    reduced = 4 * reduced_size[0] * reduced_size[1]
    resized = 0 if reduced_size == target else 4 * target[0] * reduced_size[1] + wanted
    if header.format.is_averageable(header):
        converted = wanted if header.channels != 3 or header.format.is_padded(header) else 0
        return (reduced if max(factors) > 1 else 0) + resized + converted
    band = _BAND_BYTES * min(BAND_PIXELS + size[0] * factors[1], size[0] * size[1])
    premultiplied = reduced if resized and header.channels in (2, 4) else 0
    return reduced + max(band, premultiplied + resized + wanted)
