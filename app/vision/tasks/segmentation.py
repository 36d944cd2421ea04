"""Segmentation: which pixels show people."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge, Le

from app.domain.landmarks import Box, Detection
from app.domain.units import MIB
from app.vision.task import Found, Model, VisionTask

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class SegmentationParams:
    """`min_confidence` is that of the pixels counted in coverage and box; the mask has every value.

    `inline_mask` puts the mask into the JSON, as base64 of a PNG of the analysed size: for streams.
    """

    min_confidence: Annotated[float, Ge(0), Le(1)] = 0.5
    inline_mask: bool = False


class Segmentation(VisionTask):
    name = "segmentation"
    summary = "the pixels that show people: a mask, white where they are, or its coverage"
    asset = "selfie_segmenter.tflite"
    native = "image_segmenter"
    Params = SegmentationParams
    model_bytes = 42 * MIB
    has_mask = True

    @classmethod
    def load(cls, asset: Path, params: SegmentationParams) -> Model:
        from app.vision import runtime

        segmenter = runtime.open_native(Segmentation.native, asset)
        return runtime.NativeModel(segmenter, lambda picture: _found(segmenter.segment(picture), params))


def _found(result: Any, params: SegmentationParams) -> Found:
    """Return the mask in 8 bits; MediaPipe's own is 0..1 in float32, and gone with the result."""
    confidences = result.confidence_masks[0].numpy_view().squeeze(-1)
    mask = (confidences * 255 + 0.5).astype("uint8")
    shown = mask >= max(1, round(params.min_confidence * 255))
    if not shown.any():
        return Found([], mask)
    return Found([_people(mask, shown, params.inline_mask)], mask)


def _people(mask: npt.NDArray[np.uint8], shown: npt.NDArray[np.bool_], inline: bool) -> Detection:
    height, width = mask.shape
    people: Detection = {
        "landmarks": [],
        "box": _box(shown),
        "mask": {"width": width, "height": height, "coverage": round(float(shown.mean()), 6)},
    }
    if inline:
        from app.imaging.encode import encode_png

        people["mask"]["png"] = base64.b64encode(encode_png(mask, effort=0.25)).decode()
    return people


def _box(shown: npt.NDArray[np.bool_]) -> Box:
    from numpy import flatnonzero

    height, width = shown.shape
    columns, rows = flatnonzero(shown.any(axis=0)), flatnonzero(shown.any(axis=1))
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return {
        "x": round(left / width, 6),
        "y": round(top / height, 6),
        "width": round((right - left) / width, 6),
        "height": round((bottom - top) / height, 6),
    }
