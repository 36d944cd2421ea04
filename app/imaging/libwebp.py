"""Still WebP, decoded by libwebp itself: straight into Pillow's memory, and smaller where that is enough.

Pillow decodes every WebP as an animation: two canvases, a copy of the frame and the image, 16 bytes a pixel. The
library that it brings decodes row by row into memory that it is given, at any size (`WebPDecoderConfig`): 4 bytes a
pixel of what comes out, and some rows. Child side: imports Pillow. Source of the layouts: libwebp 1.6,
`src/webp/decode.h`, whose ABI (0x0209) has been the same since 2016; a library of another one refuses it, and then
Pillow's way is taken.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

from PIL import Image, ImageFile

from app.imaging.formats.webp import SCALES, find_library

_ABI = 0x0209
_RGBA = 1
_OK, _OUT_OF_MEMORY = 0, 1


class _Features(ctypes.Structure):
    _fields_ = (
        ("width", ctypes.c_int), ("height", ctypes.c_int), ("has_alpha", ctypes.c_int),
        ("has_animation", ctypes.c_int), ("format", ctypes.c_int), ("pad", ctypes.c_uint32 * 5),
    )  # fmt: skip


class _RgbaBuffer(ctypes.Structure):
    _fields_ = (("rgba", ctypes.c_void_p), ("stride", ctypes.c_int), ("size", ctypes.c_size_t))


class _Planes(ctypes.Structure):
    _fields_ = (("planes", ctypes.c_void_p * 4), ("strides", ctypes.c_int * 4), ("sizes", ctypes.c_size_t * 4))


class _Pixels(ctypes.Union):
    _fields_ = (("rgba", _RgbaBuffer), ("planes", _Planes))


class _Output(ctypes.Structure):
    _fields_ = (
        ("colorspace", ctypes.c_int), ("width", ctypes.c_int), ("height", ctypes.c_int),
        ("is_external_memory", ctypes.c_int), ("u", _Pixels), ("pad", ctypes.c_uint32 * 4),
        ("private_memory", ctypes.c_void_p),
    )  # fmt: skip


class _Options(ctypes.Structure):
    _fields_ = (
        ("bypass_filtering", ctypes.c_int), ("no_fancy_upsampling", ctypes.c_int), ("use_cropping", ctypes.c_int),
        ("crop", ctypes.c_int * 4), ("use_scaling", ctypes.c_int), ("scaled_width", ctypes.c_int),
        ("scaled_height", ctypes.c_int), ("use_threads", ctypes.c_int), ("dithering_strength", ctypes.c_int),
        ("flip", ctypes.c_int), ("alpha_dithering_strength", ctypes.c_int), ("pad", ctypes.c_uint32 * 5),
    )  # fmt: skip


class _Config(ctypes.Structure):
    _fields_ = (("input", _Features), ("output", _Output), ("options", _Options))


def _load() -> Any:
    path = find_library()
    return None if path is None else ctypes.CDLL(str(path))


_library = _load()


class WebpImage(ImageFile.ImageFile):
    """A still picture as a Pillow plug-in has it, mode RGBX or RGBA; metadata is read elsewhere (`formats.webp`)."""

    format = "WEBP"

    def _open(self) -> None:
        self._data: bytes = self.fp.getvalue()  # type: ignore[union-attr]  # of a BytesIO: shared, not copied
        self._config = _Config()
        features = self._config.input
        is_known = _library.WebPInitDecoderConfigInternal(ctypes.byref(self._config), _ABI)
        status = _library.WebPGetFeaturesInternal(self._data, _length(self._data), ctypes.byref(features), _ABI)
        if not is_known or status != _OK or features.has_animation:
            raise SyntaxError("not a still WebP")
        self._size = (features.width, features.height)
        self._mode = "RGBA" if features.has_alpha else "RGBX"
        self._scale = 1

    def draft(self, mode: str | None, size: tuple[int, int] | None) -> Any:  # noqa: ARG002 - Pillow's interface
        """Choose the smallest scale that still covers `size`; see `ImageFile.draft`."""
        if size is None or self._mode != "RGBX":
            return None
        ratio = min(self.width // size[0], self.height // size[1])
        self._scale = next((scale for scale in SCALES if ratio >= scale), 1)
        self._size = (-(-self.width // self._scale), -(-self.height // self._scale))
        return self._mode, (0, 0, *self._size)

    def load(self) -> Any:
        """Decode it.

        Raises:
            MemoryError: there is not enough memory for it.
            OSError: it is truncated or corrupt.
        """
        if self._im is None:
            self._im = self._decoded()
            self._data = b""
        return Image.Image.load(self)

    def _decoded(self) -> Any:
        width, height = self._size
        config, options = self._config, self._config.options
        if self._scale > 1:
            options.use_scaling, options.scaled_width, options.scaled_height = 1, width, height
        try:
            memory = mmap.mmap(-1, 4 * width * height, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            raise MemoryError(str(error)) from error
        view = ctypes.c_char.from_buffer(memory)
        output = config.output
        output.colorspace, output.is_external_memory = _RGBA, 1
        output.u.rgba = _RgbaBuffer(ctypes.addressof(view), 4 * width, len(memory))
        del view
        status = _library.WebPDecode(self._data, _length(self._data), ctypes.byref(config))
        if status == _OUT_OF_MEMORY:
            raise MemoryError("libwebp is out of memory")
        if status != _OK:
            raise OSError(f"libwebp: status {status}")
        pixels: Any = memory  # any buffer will do
        return Image.frombuffer(self._mode, (width, height), pixels, "raw", self._mode, 0, 1).im  # not copied


def _length(data: bytes) -> ctypes.c_size_t:
    return ctypes.c_size_t(len(data))


def is_usable() -> bool:
    """Whether the library is there, and has our layouts."""
    return _library is not None and bool(_library.WebPInitDecoderConfigInternal(ctypes.byref(_Config()), _ABI))
