"""Pictures turned by quarter turns and mirrored, as Pillow names it. Child side."""

from __future__ import annotations

from PIL import Image

_TRANSPOSITIONS = {
    (False, True, False): Image.Transpose.FLIP_LEFT_RIGHT,
    (False, False, True): Image.Transpose.FLIP_TOP_BOTTOM,
    (False, True, True): Image.Transpose.ROTATE_180,
    (True, False, False): Image.Transpose.TRANSPOSE,
    (True, True, False): Image.Transpose.ROTATE_270,
    (True, False, True): Image.Transpose.ROTATE_90,
    (True, True, True): Image.Transpose.TRANSVERSE,
}


def transposed(image: Image.Image, rows_to_columns: bool, mirrored_x: bool, mirrored_y: bool) -> Image.Image:
    """Return a picture whose rows became columns first, if so, and whose sides were mirrored then."""
    found = _TRANSPOSITIONS.get((rows_to_columns, mirrored_x, mirrored_y))
    return image if found is None else image.transpose(found)
