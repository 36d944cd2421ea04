"""Pictures for the tests: good ones of every kind, made from a photo, and hostile ones, made by hand."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

from PIL import Image

from tests.media_files import photo

EXIF_ORIENTATION = 0x0112

# What a camera that was held the other way would have stored: the inverse of what the orientation asks for.
_LAID = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def thumb() -> bytes:
    """Return the photo of one left hand with its thumb up, 640x521."""
    return photo("thumb_up.jpg").read()


def opened_thumb() -> Image.Image:
    return Image.open(io.BytesIO(thumb())).convert("RGB")


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def turned_thumb(orientation: int) -> bytes:
    """Return the photo as a camera stores it that was held otherwise; upright it is the same picture."""
    image = opened_thumb()
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    return saved(image.transpose(_LAID[orientation]), "JPEG", quality=92, exif=exif)


@cache
def thumb_variants() -> dict[str, bytes]:
    """Return the same picture in forms that decoders often get wrong."""
    image = opened_thumb()
    opaque = image.convert("RGBA")
    palette = image.quantize(256)
    other = Image.new("RGB", image.size, "white")
    return {
        "cmyk": saved(image.convert("CMYK"), "JPEG", quality=92),
        "progressive": saved(image, "JPEG", quality=92, progressive=True),
        "alpha": saved(opaque, "PNG", compress_level=1),
        "palette": saved(palette, "PNG", compress_level=1),
        "16-bit": png16(image),
        "webp": saved(image, "WEBP", quality=90),
        "animated-gif": saved(palette, "GIF", save_all=True, append_images=[other.quantize(2)], duration=100),
        "animated-webp": saved(image, "WEBP", save_all=True, append_images=[other], duration=100, quality=90),
        "animated-png": saved(image, "PNG", save_all=True, append_images=[other], duration=100, compress_level=1),
    }


def png16(image: Image.Image) -> bytes:
    """Return a PNG with 16 bits a channel; Pillow does not write those in colour."""
    width, height = image.size
    rgb = image.tobytes()
    stride = 3 * width
    wide = bytearray(2 * stride)
    rows = bytearray()
    for top in range(height):
        row = rgb[top * stride : (top + 1) * stride]
        wide[0::2] = wide[1::2] = row
        rows += b"\0" + wide
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return png_file((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 1)))


@cache
def png_bomb(width: int = 20_000, height: int = 20_000, rows_a_block: int = 100) -> bytes:
    """Return a real PNG of so many black pixels: 1.2 GB when decoded, about 1.2 MB as it is sent.

    A deflate block that ends with a full flush stands for itself (RFC 1951), so one is made and repeated. The Adler
    checksum of n zero bytes is known without reading them (RFC 1950).
    """
    block_bytes = rows_a_block * (1 + 3 * width)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(block_bytes)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    blocks = height // rows_a_block
    checksum = (blocks * block_bytes % 65521) << 16 | 1
    data = b"\x78\xda" + block * blocks + end + struct.pack(">I", checksum)
    return png_file((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", data))


def large_jpeg(size: int) -> bytes:
    """Return the photo with so many bytes behind it."""
    picture = thumb()
    return picture + b"\0" * (size - len(picture))


def png_file(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (*chunks, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + body
