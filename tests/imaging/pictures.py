"""Pictures made for the tests, in every format and mode that is accepted."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import pillow_heif
from PIL import Image, ImageDraw

pillow_heif.register_heif_opener()

PLUGINS = {
    "jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "avif": "AVIF", "heic": "HEIF", "bmp": "BMP",
    "tiff": "TIFF",
}  # fmt: skip
ORIENTATION = 0x0112


def encode(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    fast = {"avif": {"speed": 10}, "webp": {"method": 0}}.get(name, {})
    image.save(buffer, PLUGINS[name], **fast, **options)
    return buffer.getvalue()


@cache
def scene(width: int = 200, height: int = 140) -> Image.Image:
    """A smooth picture with some shapes: what survives lossy encoders and reductions."""
    red = Image.linear_gradient("L").resize((width, height))
    green = red.transpose(Image.Transpose.ROTATE_90).resize((width, height))
    image = Image.merge("RGB", (red, green, Image.new("L", (width, height), 90)))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width // 8, height // 8, width // 2, height * 3 // 4), fill=(220, 60, 60))
    draw.rectangle((width * 5 // 8, height // 2, width * 7 // 8, height * 7 // 8), fill=(30, 60, 200))
    return image


def with_alpha(image: Image.Image) -> Image.Image:
    layered = image.copy()
    layered.putalpha(Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90).resize(image.size))
    return layered


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return block.tobytes()


def multi_scan_jpeg(width: int, height: int) -> bytes:
    """A sequential JPEG whose three components come in a scan each: Pillow writes only interleaved ones."""
    grey = encode(Image.effect_noise((width, height), 40), "jpeg")
    frame, scan = grey.index(b"\xff\xc0"), grey.index(b"\xff\xda")
    after_frame = frame + 2 + int.from_bytes(grey[frame + 2 : frame + 4], "big")
    entropy = grey[scan + 2 + int.from_bytes(grey[scan + 2 : scan + 4], "big") : -2]
    components = b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    header = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + components
    scans = (b"\xff\xda" + struct.pack(">HBBB", 8, 1, number, 0) + b"\0\x3f\0" + entropy for number in (1, 2, 3))
    return grey[:frame] + header + grey[after_frame:scan] + b"".join(scans) + b"\xff\xd9"


def repeated_scan_jpeg(width: int, height: int, size: int) -> bytes:
    """A progressive JPEG of one colour and about `size` bytes: its last scan, which refines nothing, over and over."""
    jpeg = encode(Image.new("RGB", (width, height), "teal"), "jpeg", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * ((size - len(jpeg)) // len(last)) + b"\xff\xd9"


def png_chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def png_bomb(width: int, height: int) -> bytes:
    """A complete, valid 1-bit PNG: 50 kB on the wire for 20000 x 20000."""
    packer = zlib.compressobj(9)
    line = bytes(1 + (width + 7) // 8)
    packed = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def resized_header(data: bytes, old: tuple[int, int], new: tuple[int, int], layout: str) -> bytes:
    """Overwrite the dimensions in a header, packed as `layout`."""
    before = struct.pack(layout, *old)
    assert before in data
    return data.replace(before, struct.pack(layout, *new), 1)


@cache
def samples() -> dict[str, bytes]:
    """One small picture of each kind."""
    image, layered = scene(), with_alpha(scene())
    second = image.transpose(Image.Transpose.ROTATE_180)
    return {
        "jpeg": encode(image, "jpeg", exif=exif(6)),
        "jpeg progressive": encode(image, "jpeg", progressive=True),
        "jpeg grey": encode(image.convert("L"), "jpeg"),
        "jpeg cmyk": encode(image.convert("CMYK"), "jpeg"),
        "jpeg scans": multi_scan_jpeg(200, 140),
        "png": encode(image, "png", exif=exif(3)),
        "png palette": encode(image.convert("P"), "png", transparency=3),
        "png alpha": encode(layered, "png"),
        "apng": encode(image, "png", save_all=True, append_images=[second]),
        "webp": encode(image, "webp", exif=exif(8)),
        "webp lossless": encode(layered, "webp", lossless=True),
        "webp animated": encode(image, "webp", save_all=True, append_images=[second]),
        "gif": encode(image.convert("P"), "gif"),
        "gif animated": encode(image, "gif", save_all=True, append_images=[second], loop=0),
        "avif": encode(image, "avif", exif=exif(5)),
        "avif alpha": encode(layered, "avif"),
        "heic": encode(image, "heic"),
        "bmp": encode(image, "bmp"),
        "bmp palette": encode(image.convert("P"), "bmp"),
        "tiff": encode(image, "tiff"),
        "tiff packed": encode(image, "tiff", compression="tiff_lzw"),
        "tiff jpeg": encode(image, "tiff", compression="jpeg"),
        "tiff alpha": encode(layered, "tiff", compression="tiff_adobe_deflate"),
        "tiff cmyk": encode(image.convert("CMYK"), "tiff"),
        "tiff palette": encode(image.convert("P"), "tiff"),
        "tiff bilevel": encode(image.convert("1"), "tiff", compression="group4"),
    }
