"""Pictures opened by the one Pillow plug-in of their format, and what plug-ins raise. Child side: imports Pillow."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile

from app.errors import InvalidMedia
from app.imaging.cost import MAX_STORED_PIXELS
from app.imaging.picture_format import PictureHeader

# Our own checks come first (`check_pixels`); Pillow's stay behind them, and what it would only warn of is an error.
Image.MAX_IMAGE_PIXELS = MAX_STORED_PIXELS
warnings.filterwarnings("ignore", module=r"PIL\.")  # a client's picture is no reason for a line in our log
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)

_OUT_OF_MEMORY = "out of memory"  # ImageFile.ERRORS[-9]


def open_image(data: bytes | bytearray | memoryview, header: PictureHeader) -> ImageFile.ImageFile:
    """Open a picture with the one Pillow plug-in of its format; the pixels are not decoded yet.

    The plug-in's class is called instead of `Image.open`, so that no other plug-in is imported or asked, and the
    second pictures of an MPO or Ultra HDR JPEG are left alone.

    Raises:
        InvalidMedia: the decoder reads another size than `read_header` did: the prediction would not hold.
        OSError, SyntaxError, ValueError: the decoder does not accept it.
    """
    image: ImageFile.ImageFile = header.format.load_plugin()(io.BytesIO(data))
    size = header.upright if header.format.decodes_upright else (header.width, header.height)
    if image.size != size:
        raise InvalidMedia("The headers of the picture contradict each other.")
    return image


@contextmanager
def decoder_errors() -> Iterator[None]:
    """Turn what Pillow's decoders raise on bad input into InvalidMedia."""
    try:
        yield
    except (
        OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, RuntimeError,
        struct.error, zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning,
    ) as error:  # fmt: skip
        if isinstance(error, OSError) and _OUT_OF_MEMORY in str(error):
            raise MemoryError(str(error)) from error
        raise InvalidMedia("The picture is truncated or corrupt.") from error
